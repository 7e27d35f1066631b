//! An axum service on tokio's multi-threaded runtime with reqwest's client, on PORT. Parallel calls are tasks of their own, in a JoinSet, or
//! futures of the same task, in a FuturesUnordered, where the argument is that.

use axum::{extract::State, http::StatusCode, Router};
use bytes::Bytes;
use futures_util::stream::{FuturesUnordered, StreamExt};
use reqwest::Client;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;
use tokio::{net::TcpListener, task::JoinSet};

mod steps;
use steps::{steps, Failure, Step};

static UNORDERED: AtomicBool = AtomicBool::new(false);

#[tokio::main(worker_threads = 4)]
async fn main() -> Result<(), Failure> {
    UNORDERED.store(std::env::args().nth(1).as_deref() == Some("FuturesUnordered"), Relaxed);
    let port: u16 = std::env::var("PORT")?.parse()?;
    let client = Client::builder().pool_max_idle_per_host(512).build()?;
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    axum::serve(listener, Router::new().fallback(answer).with_state(client)).await?;
    Ok(())
}

async fn answer(State(client): State<Client>, program: Bytes) -> Result<&'static str, (StatusCode, String)> {
    match work(client, program).await {
        Ok(()) => Ok("ok\n"),
        Err(failure) => Err((StatusCode::BAD_GATEWAY, failure.to_string())),
    }
}

async fn work(client: Client, program: Bytes) -> Result<(), Failure> {
    for step in steps(program)? {
        match step {
            Step::Wait(ms) => tokio::time::sleep(Duration::from_millis(ms)).await,
            Step::Calls(mut calls) if calls.len() == 1 => {
                let (url, body) = calls.remove(0);
                post(client.clone(), url, body).await?;
            }
            Step::Calls(calls) if UNORDERED.load(Relaxed) => {
                let mut futures: FuturesUnordered<_> = calls.into_iter().map(|(url, body)| post(client.clone(), url, body)).collect();
                while let Some(done) = futures.next().await {
                    done?;
                }
            }
            Step::Calls(calls) => {
                let mut tasks = JoinSet::new();
                for (url, body) in calls {
                    tasks.spawn(post(client.clone(), url, body));
                }
                while let Some(done) = tasks.join_next().await {
                    done??;
                }
            }
        }
    }
    Ok(())
}

async fn post(client: Client, url: String, body: Bytes) -> Result<(), Failure> {
    client.post(url).body(body).send().await?.error_for_status()?.bytes().await?;
    Ok(())
}
