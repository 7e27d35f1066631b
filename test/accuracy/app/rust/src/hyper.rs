//! A hyper service on tokio's multi-threaded runtime with hyper-util's pooled client, on PORT.

use bytes::Bytes;
use futures_util::future::join_all;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::client::legacy::{connect::HttpConnector, Client};
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::time::Duration;
use tokio::net::TcpListener;

mod steps;
use steps::{steps, Failure, Step};

type Pool = Client<HttpConnector, Full<Bytes>>;

#[tokio::main(worker_threads = 4)]
async fn main() -> Result<(), Failure> {
    let port: u16 = std::env::var("PORT")?.parse()?;
    let pool: Pool = Client::builder(TokioExecutor::new()).pool_max_idle_per_host(512).build_http();
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        let pool = pool.clone();
        tokio::spawn(async move {
            let service = service_fn(move |request| serve(pool.clone(), request));
            let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn post(pool: &Pool, url: &str, body: Bytes) -> Result<(), Failure> {
    let reply = pool.request(Request::post(url).body(Full::new(body))?).await?;
    let status = reply.status();
    reply.into_body().collect().await?;
    if status.is_success() { Ok(()) } else { Err(format!("{url}: status {status}").into()) }
}

async fn serve(pool: Pool, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Failure> {
    let program = request.into_body().collect().await?.to_bytes();
    for step in steps(program)? {
        match step {
            Step::Wait(ms) => tokio::time::sleep(Duration::from_millis(ms)).await,
            Step::Calls(calls) => {
                for done in join_all(calls.iter().map(|(url, body)| post(&pool, url, body.clone()))).await {
                    done?;
                }
            }
        }
    }
    Ok(Response::new(Full::new(Bytes::from_static(b"ok\n"))))
}
