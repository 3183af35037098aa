//! A small browser: sends what it is told, keeps cookies, follows nothing by itself.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    pub(crate) fn headers(&self, name: &str) -> Vec<&str> {
        self.headers.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str()).collect()
    }

    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("no JSON: {} {}", self.status, self.body))
    }

    /// `Location`.
    #[track_caller]
    pub(crate) fn location(&self) -> &str {
        self.header("location").unwrap_or_else(|| panic!("no Location: {} {}", self.status, self.body))
    }

    /// A parameter of the `Location`'s query.
    #[track_caller]
    pub(crate) fn redirected(&self, name: &str) -> Option<String> {
        let url = url::Url::parse(self.location()).unwrap();
        url.query_pairs().find(|(n, _)| n == name).map(|(_, value)| value.into_owned())
    }

    /// The attributes of every `<input>` of the page.
    pub(crate) fn inputs(&self) -> Vec<BTreeMap<String, String>> {
        self.body.split("<input").skip(1).map(|rest| attributes(rest.split('>').next().unwrap())).collect()
    }

    /// The value of the first field with this name.
    pub(crate) fn field(&self, name: &str) -> Option<String> {
        let input = self.inputs().into_iter().find(|input| input.get("name").is_some_and(|n| n == name))?;
        Some(input.get("value").cloned().unwrap_or_default())
    }

    /// What a browser would send for each form that posts to `action`, as it stands, buttons aside.
    pub(crate) fn forms(&self, action: &str) -> Vec<Vec<(String, String)>> {
        let start = format!("<form method=\"post\" action=\"{action}\"");
        let forms = self.body.split(&start).skip(1).map(|rest| rest.split("</form>").next().unwrap().to_owned());
        forms.map(|body| Self { status: self.status, headers: Vec::new(), body }.form()).collect()
    }

    /// The first form of the page that leads there, alone.
    #[track_caller]
    pub(crate) fn form_to(&self, action: &str) -> Vec<(String, String)> {
        let form = self.body.split("<form").find(|form| form.contains(&format!("action=\"{action}\"")));
        let form = form.unwrap_or_else(|| panic!("no form to {action} in {}", self.body));
        let body = format!("<form{}", form.split("</form>").next().unwrap());
        Self { status: self.status, headers: Vec::new(), body }.form()
    }

    /// What a browser would send if the form were submitted as it stands, buttons aside.
    pub(crate) fn form(&self) -> Vec<(String, String)> {
        let mut fields = Vec::new();
        for input in self.inputs() {
            let kind = input.get("type").map_or("text", String::as_str);
            if !matches!(kind, "checkbox" | "radio") || input.contains_key("checked") {
                fields.push((input["name"].clone(), input.get("value").cloned().unwrap_or_default()));
            }
        }
        fields
    }
}

fn attributes(tag: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut rest = tag.trim();
    while !rest.is_empty() {
        let end = rest.find(|c: char| c == '=' || c.is_whitespace()).unwrap_or(rest.len());
        let name = rest[..end].to_owned();
        rest = &rest[end..];
        let mut value = String::new();
        if let Some(quoted) = rest.strip_prefix("=\"") {
            let end = quoted.find('"').unwrap();
            value = unescape(&quoted[..end]);
            rest = &quoted[end + 1..];
        }
        found.insert(name, value);
        rest = rest.trim_start();
    }
    found
}

fn unescape(text: &str) -> String {
    [("&#60;", "<"), ("&#62;", ">"), ("&#34;", "\""), ("&#39;", "'"), ("&#38;", "&")]
        .iter()
        .fold(text.to_owned(), |text, (escaped, plain)| text.replace(escaped, plain))
}

/// A browser with a cookie jar for one server.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    pub(crate) address: SocketAddr,
    pub(crate) cookies: BTreeMap<String, String>,
    /// `Accept-Language`.
    pub(crate) languages: Option<String>,
}

impl Client {
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self { address, cookies: BTreeMap::new(), languages: None }
    }

    /// The same browser, of somebody who reads these languages (`Accept-Language`).
    pub(crate) fn reading(self, languages: &str) -> Self {
        Self { languages: Some(languages.to_owned()), ..self }
    }

    pub(crate) async fn get(&mut self, path: &str) -> Answer {
        self.send("GET", path, &[], "").await
    }

    pub(crate) async fn post(&mut self, path: &str, form: &[(String, String)]) -> Answer {
        self.post_with(path, form, &[]).await
    }

    pub(crate) async fn post_with(
        &mut self,
        path: &str,
        form: &[(String, String)],
        headers: &[(&str, &str)],
    ) -> Answer {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let mut all = vec![("content-type", "application/x-www-form-urlencoded")];
        all.extend(headers);
        self.send("POST", path, &all, &body).await
    }

    pub(crate) async fn send(&mut self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut request = format!("{method} {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n", self.address);
        if !self.cookies.is_empty() {
            let cookies: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
            request.push_str(&format!("cookie: {}\r\n", cookies.join("; ")));
        }
        if let Some(languages) = &self.languages {
            request.push_str(&format!("accept-language: {languages}\r\n"));
        }
        for (name, value) in headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        request.push_str(&format!("content-length: {}\r\n\r\n{body}", body.len()));
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut raw = Vec::new();
        stream.read_to_end(&mut raw).await.unwrap();
        let answer = parse(&String::from_utf8(raw).unwrap());
        self.keep_cookies(&answer);
        answer
    }

    fn keep_cookies(&mut self, answer: &Answer) {
        for cookie in answer.headers("set-cookie") {
            let (name, value) = cookie.split(';').next().unwrap().split_once('=').unwrap();
            if cookie.contains("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
    }
}

fn parse(raw: &str) -> Answer {
    let (head, body) = raw.split_once("\r\n\r\n").unwrap();
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let headers: Vec<(String, String)> = lines
        .map(|line| line.split_once(':').unwrap())
        .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
        .collect();
    let chunked = headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("transfer-encoding"));
    assert!(!chunked, "bodies of these surfaces have a length");
    Answer { status, headers, body: body.to_owned() }
}
