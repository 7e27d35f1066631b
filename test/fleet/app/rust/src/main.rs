//! The hyper member of the fleet: `hyper-server PORT`, on tokio's multi-threaded runtime.

use bytes::Bytes;
use futures_util::stream;
use http_body_util::{combinators::BoxBody, BodyExt, Empty, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::time::{Duration, SystemTime};
use tokio::net::{TcpListener, TcpStream};

type Body = BoxBody<Bytes, Infallible>;
type Failure = Box<dyn std::error::Error + Send + Sync>;

static BLOCK: [u8; 65536] = [b'x'; 65536];

#[tokio::main(worker_threads = 4)]
async fn main() -> Result<(), Failure> {
    let port: u16 = std::env::args().nth(1).ok_or("usage: hyper-server PORT")?.parse()?;
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::spawn(async move {
            let server = hyper::server::conn::http1::Builder::new();
            // A client that goes away ends its connection only.
            let _ = server.serve_connection(TokioIo::new(stream), service_fn(serve)).await;
        });
    }
}

fn text(body: impl Into<Bytes>) -> Response<Body> {
    Response::new(Full::new(body.into()).boxed())
}

fn status(code: StatusCode) -> Response<Body> {
    let mut response = Response::new(Empty::new().boxed());
    *response.status_mut() = code;
    response
}

fn blocks(size: usize) -> Response<Body> {
    let parts = (0..size.div_ceil(BLOCK.len())).map(move |i| {
        let n = BLOCK.len().min(size - i * BLOCK.len());
        Ok(Frame::data(Bytes::from_static(&BLOCK[..n])))
    });
    Response::new(StreamBody::new(stream::iter(parts)).boxed())
}

async fn serve(request: Request<Incoming>) -> Result<Response<Body>, Failure> {
    let path = request.uri().path().to_owned();
    let part: Vec<&str> = path.split('/').collect();
    let number = || part.get(2).and_then(|n| n.parse::<usize>().ok()).unwrap_or(0);
    Ok(match part[1] {
        "hello" => text("hello\n"),
        "bytes" => {
            let mut response = blocks(number());
            response.headers_mut().insert("content-length", number().into());
            response
        }
        "chunked" => blocks(number()),
        "status" => status(StatusCode::from_u16(number() as u16)?),
        "sleep" => {
            tokio::time::sleep(Duration::from_millis(number() as u64)).await;
            text("hello\n")
        }
        "echo-size" => text(measure(request.into_body()).await?.to_string()),
        "call" => call(request).await?,
        _ => status(StatusCode::NOT_FOUND),
    })
}

async fn measure(mut body: Incoming) -> Result<usize, Failure> {
    let mut size = 0;
    while let Some(frame) = body.frame().await {
        size += frame?.data_ref().map_or(0, Bytes::len);
    }
    Ok(size)
}

fn decode(value: &str) -> String {
    let mut out = Vec::new();
    let bytes = value.as_bytes();
    let mut i = 0;
    while i < bytes.len() {
        let hex = value.get(i + 1..i + 3).and_then(|h| u8::from_str_radix(h, 16).ok());
        match (bytes[i], hex) {
            (b'%', Some(byte)) => {
                out.push(byte);
                i += 3;
            }
            (byte, _) => {
                out.push(byte);
                i += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn outgoing(traceparent: &str, mode: &str) -> Option<String> {
    let now = SystemTime::UNIX_EPOCH.elapsed().ok()?.as_nanos() as u64;
    match mode {
        "pass" => Some(traceparent.to_owned()),
        "new" => Some(format!("{}{:016x}{}", traceparent.get(..36)?, now, traceparent.get(52..)?)),
        _ => None,
    }
}

async fn call(request: Request<Incoming>) -> Result<Response<Body>, Failure> {
    let query = request.uri().query().unwrap_or("");
    let value = |name: &str| {
        let found = query.split('&').filter_map(|pair| pair.split_once('=')).find(|(key, _)| *key == name);
        found.map(|(_, value)| decode(value)).unwrap_or_default()
    };
    let url: Uri = value("url").parse()?;
    let authority = url.authority().ok_or("url without authority")?.to_string();
    let stream = TcpStream::connect(&authority).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let path = url.path_and_query().map_or("/", |p| p.as_str());
    let mut onward = Request::builder().uri(path).header("host", &authority);
    let parent = request.headers().get("traceparent").and_then(|v| v.to_str().ok());
    if let Some(carrier) = parent.and_then(|p| outgoing(p, &value("trace"))) {
        onward = onward.header("traceparent", carrier);
    }
    let reply = sender.send_request(onward.body(Empty::<Bytes>::new())?).await?;
    let code = reply.status();
    let mut response = text(reply.into_body().collect().await?.to_bytes());
    *response.status_mut() = code;
    Ok(response)
}
