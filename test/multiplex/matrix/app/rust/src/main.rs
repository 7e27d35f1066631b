//! A server or a client by hyper, or for gRPC by tonic, with rustls: `peer serve PROTOCOL ADDRESS`,
//! `peer ask PROTOCOL ADDRESS REQUESTS STREAMS`; see ../../go.

mod call;
mod web;

use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;
use std::time::Duration;

pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// The names of the files of the certificate and of the key, if it is TLS.
pub fn pair() -> Option<(String, String)> {
    Some((std::env::var("CERT").ok()?, std::env::var("KEY").ok()?))
}

/// What the last part of a path asks for: a status, messages in each direction, bytes.
pub fn parse(path: &str) -> (u16, usize, usize) {
    let last = path.rsplit('/').next().unwrap_or("");
    match (last.get(..1), last.get(1..).and_then(|n| n.parse::<usize>().ok())) {
        (Some("S"), Some(n)) => (n as u16, 1, 0),
        (Some("M"), Some(n)) => (0, n, 0),
        (Some("D"), Some(n)) => (0, 1, n),
        _ => (0, 1, 0),
    }
}

pub fn load() -> String {
    std::env::var("LOAD").unwrap_or_default()
}

pub fn asked(i: usize) -> String {
    let answers = std::env::var("ANSWERS").unwrap_or_default();
    let list: Vec<&str> = answers.split(',').collect();
    list[i % list.len()].to_string()
}

pub fn parent(i: usize) -> String {
    let load = load();
    format!("00-{load}{:016x}-{}{:08x}-01", i + 1, &load[8..], i + 1)
}

/// Makes the requests, so many at a time.
pub async fn ask<F, R>(requests: usize, streams: usize, one: F) -> Result<(), Failure>
where
    F: Fn(usize) -> R + Send + Sync + 'static,
    R: Future<Output = Result<(), Failure>> + Send,
{
    let (next, one) = (Arc::new(AtomicUsize::new(0)), Arc::new(one));
    let mut workers = Vec::new();
    for _ in 0..streams {
        let (next, one) = (next.clone(), one.clone());
        workers.push(tokio::spawn(async move {
            loop {
                let i = next.fetch_add(1, Ordering::SeqCst);
                if i >= requests {
                    return Ok::<(), Failure>(());
                }
                one(i).await?;
            }
        }));
    }
    for worker in workers {
        worker.await??;
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    Ok(())
}

#[tokio::main(worker_threads = 4)]
async fn main() -> Result<(), Failure> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let args: Vec<String> = std::env::args().collect();
    let (protocol, address) = (args[2].as_str(), args[3].clone());
    if args[1] == "ask" && pair().is_some() {
        tokio::time::sleep(Duration::from_secs(1)).await; // what traces it has to have found the program
    }
    match (args[1].as_str(), protocol) {
        ("serve", "grpc") => call::serve(&address).await,
        ("serve", _) => web::serve(&address).await,
        (_, "grpc") => call::run(&address, args[4].parse()?, args[5].parse()?).await,
        _ => web::run(protocol, &address, args[4].parse()?, args[5].parse()?).await,
    }
}
