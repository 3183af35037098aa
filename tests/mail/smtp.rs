//! An SMTP server of a few lines (RFC 5321), which answers recipients as it is told.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// What it answers to `RCPT TO`, and what it took.
#[derive(Debug)]
pub(super) struct SmtpServer {
    pub(super) address: SocketAddr,
    pub(super) answer: Arc<Mutex<&'static str>>,
    pub(super) taken: Arc<Mutex<Vec<String>>>,
}

impl SmtpServer {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Self {
            address: listener.local_addr().unwrap(),
            answer: Arc::new(Mutex::new("250 ok")),
            taken: Arc::default(),
        };
        let (answer, taken) = (server.answer.clone(), server.taken.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, answer.clone(), taken.clone()));
            }
        });
        server
    }

    pub(super) fn answers(&self, answer: &'static str) {
        *self.answer.lock().unwrap() = answer;
    }

    pub(super) fn taken(&self) -> Vec<String> {
        self.taken.lock().unwrap().clone()
    }
}

async fn serve(stream: TcpStream, answer: Arc<Mutex<&'static str>>, taken: Arc<Mutex<Vec<String>>>) {
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read).lines();
    write.write_all(b"220 here\r\n").await.unwrap();
    while let Ok(Some(line)) = lines.next_line().await {
        let command = line.to_uppercase();
        let reply = match command.get(..4).unwrap_or_default() {
            "EHLO" => "250-here\r\n250 8BITMIME".to_owned(),
            "RCPT" => (*answer.lock().unwrap()).to_owned(),
            "DATA" => {
                write.write_all(b"354 go on\r\n").await.unwrap();
                let mut mail = String::new();
                while let Ok(Some(line)) = lines.next_line().await {
                    if line == "." {
                        break;
                    }
                    mail.push_str(line.strip_prefix("..").map_or(&line, |_| &line[1..]));
                    mail.push('\n');
                }
                taken.lock().unwrap().push(mail);
                "250 taken".to_owned()
            }
            "QUIT" => {
                let _ = write.write_all(b"221 bye\r\n").await;
                return;
            }
            _ => "250 ok".to_owned(),
        };
        if write.write_all(format!("{reply}\r\n").as_bytes()).await.is_err() {
            return;
        }
    }
}
