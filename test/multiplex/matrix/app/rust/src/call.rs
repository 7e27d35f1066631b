use crate::{asked, pair, parent, parse, Failure};
use bytes::{Buf, BufMut, Bytes};
use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio_stream::StreamExt;
use tonic::body::Body;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::http;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Identity, Server, ServerTlsConfig};
use tonic::{Code, Request, Response, Status, Streaming};

/// Passes messages as they are.
#[derive(Default)]
struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Raw;
    type Decoder = Raw;
    fn encoder(&mut self) -> Raw {
        Raw
    }
    fn decoder(&mut self) -> Raw {
        Raw
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;
    fn encode(&mut self, item: Bytes, to: &mut EncodeBuf<'_>) -> Result<(), Status> {
        to.put(item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;
    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        let n = from.remaining();
        Ok(Some(from.copy_to_bytes(n)))
    }
}

type Messages = Pin<Box<dyn tokio_stream::Stream<Item = Result<Bytes, Status>> + Send>>;
type Later<T> = Pin<Box<dyn Future<Output = T> + Send>>;

#[derive(Clone)]
struct Echo;

impl tonic::server::NamedService for Echo {
    const NAME: &'static str = "shop.Echo";
}

struct Method(String);

impl tonic::server::StreamingService<Bytes> for Method {
    type Response = Bytes;
    type ResponseStream = Messages;
    type Future = Later<Result<Response<Messages>, Status>>;
    fn call(&mut self, request: Request<Streaming<Bytes>>) -> Self::Future {
        let (code, messages, size) = parse(&self.0);
        Box::pin(async move {
            let mut stream = request.into_inner();
            while stream.message().await?.is_some() {}
            if code != 0 {
                return Err(Status::new(Code::from(code as i32), "as asked"));
            }
            let list = (0..messages).map(move |_| Ok(Bytes::from(vec![b'x'; size])));
            Ok(Response::new(Box::pin(tokio_stream::iter(list)) as Messages))
        })
    }
}

impl tower_service::Service<http::Request<Body>> for Echo {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Later<Result<Self::Response, Infallible>>;
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }
    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let method = Method(request.uri().path().to_string());
        Box::pin(async move { Ok(tonic::server::Grpc::new(Raw).streaming(method, request).await) })
    }
}

pub async fn serve(address: &str) -> Result<(), Failure> {
    let mut server = Server::builder();
    if let Some((cert, key)) = pair() {
        let identity = Identity::from_pem(std::fs::read(cert)?, std::fs::read(key)?);
        server = server.tls_config(ServerTlsConfig::new().identity(identity))?;
    }
    server.add_service(Echo).serve(address.parse()?).await?;
    Ok(())
}

pub async fn run(address: &str, requests: usize, streams: usize) -> Result<(), Failure> {
    let mut endpoint = Channel::from_shared(format!("{}://{address}", if pair().is_some() { "https" } else { "http" }))?;
    if let Some((cert, _)) = pair() {
        let tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(std::fs::read(cert)?)).domain_name("localhost");
        endpoint = endpoint.tls_config(tls)?;
    }
    let channel = endpoint.connect().await?;
    crate::ask(requests, streams, move |i| {
        let mut client = tonic::client::Grpc::new(channel.clone());
        async move {
            let (_, messages, size) = parse(&asked(i));
            let mut request = Request::new(tokio_stream::iter((0..messages).map(move |_| Bytes::from(vec![b'y'; size]))));
            request.metadata_mut().insert("traceparent", parent(i).parse()?);
            client.ready().await?;
            let told = match client.streaming(request, format!("/shop.Echo/{}", asked(i)).parse()?, Raw).await {
                Ok(reply) => {
                    let mut stream = reply.into_inner();
                    loop {
                        match stream.next().await {
                            Some(Ok(_)) => {}
                            Some(Err(status)) => break Err(status),
                            None => break Ok(()),
                        }
                    }
                }
                Err(status) => Err(status),
            };
            match told {
                Err(status) if status.message() != "as asked" => Err(status.into()),
                _ => Ok(()),
            }
        }
    })
    .await
}
