//! What comes out is looked at by other means than those that made it: tag by tag, against a list of what must not be.

use proptest::prelude::*;

use super::{check, clean, unclean};

const NS: &str = "xmlns=\"http://www.w3.org/1999/xhtml\"";

fn in_json(text: &str) -> String {
    let quoted = serde_json::Value::from(text).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

fn is_clean(xhtml: &str) -> bool {
    check::is_clean(in_json(xhtml).as_bytes())
}

fn div(inner: &str) -> String {
    format!("<div {NS}>{inner}</div>")
}

/// Every tag of a text: name and attributes. Panics where a tag is not in the one spelling that all parsers read alike.
fn tags(xhtml: &str) -> Vec<(String, Vec<(String, String)>)> {
    let mut found = Vec::new();
    for rest in xhtml.split('<').skip(1) {
        let (tag, _) = rest.split_once('>').unwrap_or_else(|| panic!("a tag without an end: {xhtml}"));
        let tag = tag.strip_suffix('/').unwrap_or(tag);
        let (name, mut rest) = tag.split_once(' ').unwrap_or((tag, ""));
        let bare = name.strip_prefix('/').unwrap_or(name);
        assert!(
            !bare.is_empty() && bare.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()),
            "{name}: {xhtml}"
        );
        let mut attributes = Vec::new();
        while !rest.trim().is_empty() {
            let (attribute, behind) = rest.trim_start().split_once("=\"").unwrap_or_else(|| panic!("{rest}: {xhtml}"));
            let (value, behind) = behind.split_once('"').unwrap();
            attributes.push((attribute.to_owned(), value.to_owned()));
            rest = behind;
        }
        found.push((bare.to_owned(), attributes));
    }
    found
}

/// No script, no event handler, no reference to anything outside; balanced; one root.
#[track_caller]
fn is_harmless(xhtml: &str) {
    assert!(xhtml.starts_with(&format!("<div {NS}")) && xhtml.ends_with("</div>"), "{xhtml}");
    for (name, attributes) in tags(xhtml) {
        assert!(
            !matches!(
                name.as_str(),
                "script"
                    | "style"
                    | "iframe"
                    | "object"
                    | "embed"
                    | "svg"
                    | "math"
                    | "base"
                    | "link"
                    | "meta"
                    | "form"
                    | "input"
                    | "button"
                    | "template"
                    | "noscript"
                    | "textarea"
                    | "select"
                    | "frame"
                    | "frameset"
                    | "video"
                    | "audio"
                    | "source"
                    | "applet"
                    | "title"
                    | "body"
                    | "html"
                    | "head"
                    | "font"
            ),
            "{name} in {xhtml}"
        );
        for (attribute, value) in attributes {
            assert!(!attribute.starts_with("on"), "{attribute} in {xhtml}");
            let folded = value.to_ascii_lowercase();
            match attribute.as_str() {
                "xmlns" => assert_eq!(value, "http://www.w3.org/1999/xhtml"),
                "href" => assert!(value.starts_with('#'), "{value} in {xhtml}"),
                "src" => assert!(
                    value.starts_with('#')
                        || ["png", "jpeg", "gif", "webp"]
                            .iter()
                            .any(|k| value.starts_with(&format!("data:image/{k};"))),
                    "{value} in {xhtml}"
                ),
                "style" => {
                    let bad = ["(", "\\", "@", "/", "&", "position", "binding", "behavior", "expression", "url"];
                    assert!(!bad.iter().any(|part| folded.contains(part)), "{value} in {xhtml}");
                }
                "action" | "formaction" | "srcset" | "background" | "longdesc" | "cite" | "target" | "srcdoc"
                | "xlink:href" | "ping" | "poster" | "usemap" | "data" | "name" | "accesskey" | "tabindex" => {
                    panic!("{attribute} in {xhtml}")
                }
                _ => {}
            }
        }
    }
    let mut open: Vec<&str> = Vec::new();
    for rest in xhtml.split('<').skip(1) {
        let tag = rest.split('>').next().unwrap();
        if let Some(end) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(end), "{xhtml}");
        } else if !tag.ends_with('/') {
            assert!(!open.is_empty() || std::ptr::eq(rest, xhtml.split('<').nth(1).unwrap()), "two roots: {xhtml}");
            open.push(tag.split(' ').next().unwrap());
        }
    }
    assert!(open.is_empty(), "{xhtml}");
}

#[test]
fn what_servers_write_stays_as_it_is() {
    for inner in [
        "Weight: 72 kg",
        "<p><b>Generated Narrative: Patient</b><a> </a></p><p>Line<br/>Line</p>",
        "<p class=\"res-header-id\"><b>x</b></p>",
        "<table class=\"grid\" border=\"1\"><tr><td colspan=\"2\" style=\"color: red; padding-left: 2px\">x</td></tr></table>",
        "<h3>Übersicht &amp; Werte &#160;&nbsp;&#xA0;</h3><ul><li>a &lt; b</li></ul><hr/>",
        "<a href=\"#c1\" title=\"to &quot;c&quot;\">here</a> <img src=\"data:image/png;base64,iVBORw0KGgo=\" alt=\"chart\"/>",
        "<span lang=\"de\" xml:lang=\"de\" dir=\"ltr\" id=\"s.1\">\n\t\"gut\"</span>",
    ] {
        let whole = div(inner);
        assert!(is_clean(&whole), "{whole}");
        is_harmless(&whole);
        assert_eq!(clean::clean(&whole), whole, "the slow way keeps it too");
    }
    assert!(check::is_clean(format!("<div>{}</div>", "\\u00e4\\n\\\"\\/").as_bytes()));
    assert!(is_clean("<div>x</div>\n"));
}

/// Payloads of OWASP's and PortSwigger's lists by kind, of a FHIR server's regression (microsoft/fhir-server 5699), and
/// of advisories on sanitisers; with the text that must still be there.
#[test]
fn u17_what_could_run_or_be_fetched_goes_and_the_text_stays() {
    for (inner, kept) in [
        ("<script>alert(1)</script>Hello", "Hello"),
        ("<SCRIPT SRC=//evil.test/x.js></SCRIPT>Hello", "Hello"),
        ("Hello<script>alert(1)", "Hello"),
        ("<scr<script>ipt>alert(1)</script>Hello", "ipt"),
        ("<a href=\" javascript:alert(1)\">Hello</a>", "<a>Hello</a>"),
        ("<a href=\"\tjavascript:alert(1)\">Hello</a>", "<a>Hello</a>"),
        ("<a href=\"&#1;javascript:alert(1)\">Hello</a>", "<a>Hello</a>"),
        ("<a href=\"&#106;avascript:alert(1)\">Hello</a>", "<a>Hello</a>"),
        ("<a href=\"data:text/html,x\">Hello</a>", "<a>Hello</a>"),
        ("<a href=\"https://evil.test/\" target=\"_blank\" ping=\"//evil.test\">Hello</a>", "<a>Hello</a>"),
        ("<a href=\"//evil.test\">Hello</a>", "<a>Hello</a>"),
        ("<img src=\"https://evil.test/pixel\" alt=\"Hello\"/>", "<img alt=\"Hello\"/>"),
        ("<img src=x onerror=alert(1)>Hello", "Hello"),
        ("<img src=\"data:image/svg+xml;base64,AAAA\"/>Hello", "<img/>Hello"),
        ("<img/src=x/onerror=alert(1)//>Hello", "Hello"),
        ("<img id=\"location\" name=\"cookie\" src=\"#a\"/>Hello", "<img src=\"#a\"/>Hello"),
        ("<p onclick=\"alert(1)\" ONMOUSEOVER='alert(1)'>Hello</p>", "<p>Hello</p>"),
        ("<p style=\"background:url(https://evil.test)\">Hello</p>", "<p>Hello</p>"),
        ("<p style=\"color: expression(alert(1))\">Hello</p>", "<p>Hello</p>"),
        ("<p style=\"position:fixed;width:100%\">Hello</p>", "<p>Hello</p>"),
        ("<p style=\"color:re\\64\">Hello</p>", "Hello</p>"),
        ("<style>@import url(//evil.test)</style>Hello", "Hello"),
        ("<svg><animate onbegin=alert(1) attributeName=x></svg>Hello", "Hello"),
        ("<svg><a xlink:href=\"javascript:alert(1)\"><text>x</text></a></svg>Hello", "Hello"),
        ("<svg><svg></svg><script>alert(1)</script></svg>Hello", "Hello"),
        ("<math><annotation-xml encoding=\"text/html\"><p>x</p></annotation-xml></math>Hello", "Hello"),
        ("<math><mtext><table><mglyph><style><!--</style><img title=\"--&gt;&lt;img src=1 onerror=alert(1)&gt;\">", ""),
        ("<base href=\"//evil.test/\">Hello", "Hello"),
        ("<iframe src=\"javascript:alert(1)\"></iframe>Hello", "Hello"),
        ("<object data=\"//evil.test\"></object><embed src=\"//evil.test\"/>Hello", "Hello"),
        ("<form action=\"//evil.test\"><input name=\"pin\"/>Hello</form>", "Hello"),
        ("<meta http-equiv=\"refresh\" content=\"0;url=//evil.test\">Hello", "Hello"),
        ("<noscript><p title=\"</noscript><img src=x onerror=alert(1)>\"></p></noscript>Hello", "Hello"),
        ("<!--><img src=x onerror=alert(1)>-->Hello", "Hello"),
        ("<![CDATA[<script>alert(1)</script>]]>Hello", "Hello"),
        ("<?xml-stylesheet href=\"//evil.test\"?>Hello", "Hello"),
        ("<font color=\"red\"><center>Hello</center></font>", "Hello"),
        ("<p>Hello</div></body><script>alert(1)</script>", "Hello"),
        ("</div></div>Hello", "Hello"),
        ("<b>Hello<i>there</b>", "<b>Hello<i>there</i></b>"),
        ("<p/>Hello<br>there<br></br>", "<p></p>Hello<br/>there"),
        ("Hello < there & so > on", "Hello &lt; there &amp; so &gt; on"),
        ("<script/>Hello", "Hello"),
        ("<a\u{b}href=\"javascript:alert(1)\">Hello</a>", "Hello"),
        ("<a title='\"><script>alert(1)</script>'>Hello</a>", "Hello</a>"),
        ("<textarea><p title=\"</textarea><img src=x onerror=alert(1)>\">Hello", ""),
        ("Hello\u{0}\u{8}\u{ffff}", "Hello"),
        ("", "This text cannot be shown."),
        ("<script>alert(1)</script>", "This text cannot be shown."),
    ] {
        let whole = div(inner);
        assert!(!is_clean(&whole) || kept.is_empty() || inner.is_empty(), "must not pass: {whole}");
        let cleaned = clean::clean(&whole);
        is_harmless(&cleaned);
        assert!(cleaned.contains(kept), "{kept} in {cleaned}");
        for never in ["evil.test", "alert(1)\"", "javascript:alert"] {
            assert!(
                !cleaned.contains(never) || inner.contains("&gt;") || inner.contains("'\""),
                "{never} in {cleaned}"
            );
        }
        assert!(is_clean(&cleaned), "what is written anew passes: {cleaned}");
    }
}

#[test]
fn u17_no_spelling_of_json_gets_past_the_check() {
    for content in [
        r"<div>\u003cscript\u003ealert(1)\u003c/script\u003ex</div>",
        r"<div><p onclick=\u0022alert(1)\u0022>x</p></div>",
        r"<div><a href=\'#x\'>x</a></div>",
        r"<div>x\u0000</div>",
        r"<div>x</div>\u003cscript>",
        r"<div>x</div><div>y</div>",
        r"x<div>y</div>",
        r"<p>x</p>",
        r"<div>x",
        r"x",
        r"",
        r"<DIV>x</DIV>",
        r"<div><b>x</div></b>",
        r"<div><br>x</br></div>",
        r"<div><p/>x</div>",
        r"<div>&x</div>",
        r"<div>&#x;</div>",
        r##"<div ><a href =\"#x\">x</a></div>"##,
    ] {
        assert!(!check::is_clean(content.as_bytes()), "{content}");
    }
}

#[test]
fn narratives_are_found_wherever_they_are() {
    let hostile = in_json(&div("<script>alert(1)</script>Hello"));
    let plain = in_json(&div("Hello"));
    for (resource, wanted) in [
        (format!(r#"{{"text":{{"status":"generated","div":"{hostile}"}},"x":"\"div\":\"<script>\""}}"#), 1),
        (
            format!(
                r#"{{"contained":[{{"resourceType":"Patient","text":{{"div" : "{hostile}"}}}}],"text":{{"div":"{hostile}"}}}}"#
            ),
            2,
        ),
        (format!(r#"{{"text":{{"div":"{plain}"}}}}"#), 0),
        (r#"{"code":"div","div":7,"a":["div"]}"#.to_owned(), 0),
        (format!(r#"{{"text":{{"div":"{plain}\\"}},"b":"{hostile}"}}"#), 1),
    ] {
        let resource = resource.replacen('{', r#"{"resourceType":"Observation","id":"1","#, 1);
        let knowledge = crate::fhir::knowledge::Knowledge::embedded().unwrap();
        let raw = crate::fhir::scan::scan_resource(resource.clone().into(), knowledge).unwrap();
        let found: Vec<_> = unclean(&raw).collect();
        assert_eq!(found.len(), wanted, "{resource}");
        for (span, clean) in found {
            let content = span.of(resource.as_bytes());
            assert!(content.starts_with(b"<div") && resource.as_bytes()[span.end as usize] == b'"');
            let spliced = resource.replace(std::str::from_utf8(content).unwrap(), std::str::from_utf8(&clean).unwrap());
            serde_json::from_str::<serde_json::Value>(&spliced).unwrap();
        }
    }
}

fn piece() -> impl Strategy<Value = String> {
    let fixed = [
        "<div>",
        "</div>",
        "<p>",
        "</p>",
        "<b",
        ">",
        "/>",
        "<",
        "</",
        "\"",
        "'",
        "=",
        " ",
        "&",
        ";",
        "&#",
        "&lt;",
        "&#x3c;",
        "<script>",
        "</script>",
        "<svg>",
        "</svg>",
        "<style>",
        "</style>",
        "<!--",
        "-->",
        "<![CDATA[",
        "]]>",
        "<?",
        "?>",
        " onclick=",
        " href=",
        " src=",
        " style=",
        " title=",
        " id=",
        "javascript:alert(1)",
        "data:image/png;base64,AA",
        "https://evil.test/",
        "#a",
        "url(x)",
        "color:red",
        "position:fixed",
        "<img",
        "<a",
        "<br/>",
        "<table>",
        "<td",
        "\\",
        "\u{0}",
        "\n",
        "\u{a0}",
        "\u{1f600}",
        "x",
        "Hello",
        "<template>",
        "</template>",
        "xmlns",
        "<DIV",
        "\u{b}",
    ];
    prop_oneof![
        8 => proptest::sample::select(fixed.to_vec()).prop_map(str::to_owned),
        1 => any::<String>(),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn u17_whatever_comes_in_nothing_comes_out_that_could_run(pieces in proptest::collection::vec(piece(), 0..40)) {
        let text: String = pieces.concat();
        for text in [text.clone(), div(&text)] {
            if is_clean(&text) {
                is_harmless(&if text.contains(NS) { text.trim().to_owned() } else {
                    text.trim().replacen("<div", &format!("<div {NS}"), 1)
                });
            }
            let cleaned = clean::clean(&text);
            is_harmless(&cleaned);
            prop_assert!(is_clean(&cleaned), "{}", cleaned);
            prop_assert_eq!(clean::clean(&cleaned), cleaned, "once is enough");
        }
    }
}

#[test]
fn hostile_sizes_are_answered_in_time() {
    let started = std::time::Instant::now();
    for unit in ["<svg>", "<div>", "<p a=\"", "<!--", "&", "<b><i>", "</b>", "<script></scrip", "<a href=x ", "\\"] {
        let text = div(&unit.repeat(200_000 / unit.len()));
        let cleaned = clean::clean(&text);
        assert!(cleaned.len() < text.len() * 6, "{unit}");
        is_clean(&text);
    }
    assert!(started.elapsed().as_secs() < 10, "{:?}", started.elapsed());
}
