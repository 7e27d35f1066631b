use crate::{asked, load, pair, parent, parse, Failure};
use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::client::legacy::{connect::HttpConnector, Client};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, SignatureScheme};
use std::fs::File;
use std::io::BufReader;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Failure> {
    let (code, _, size) = parse(request.uri().path());
    let status = if code == 0 { 200 } else { code };
    Ok(Response::builder().status(status).body(Full::new(Bytes::from(vec![b'x'; size])))?)
}

fn certificate(cert: &str, key: &str) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), Failure> {
    let chain = rustls_pemfile::certs(&mut BufReader::new(File::open(cert)?)).collect::<Result<_, _>>()?;
    let key = rustls_pemfile::private_key(&mut BufReader::new(File::open(key)?))?.ok_or("no key")?;
    Ok((chain, key))
}

pub async fn serve(address: &str) -> Result<(), Failure> {
    let listener = TcpListener::bind(address).await?;
    let mut acceptor = None;
    if let Some((cert, key)) = pair() {
        let (chain, key) = certificate(&cert, &key)?;
        let mut config = rustls::ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key)?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        acceptor = Some(TlsAcceptor::from(Arc::new(config)));
    }
    loop {
        let (stream, _) = listener.accept().await?;
        let acceptor = acceptor.clone();
        tokio::spawn(async move {
            let server = auto::Builder::new(TokioExecutor::new());
            match acceptor {
                Some(acceptor) => {
                    if let Ok(stream) = acceptor.accept(stream).await {
                        let _ = server.serve_connection(TokioIo::new(stream), service_fn(answer)).await;
                    }
                }
                None => {
                    let _ = server.serve_connection(TokioIo::new(stream), service_fn(answer)).await;
                }
            }
        });
    }
}

/// The certificate is the test's own and is not looked at.
#[derive(Debug)]
struct Trusting;

impl ServerCertVerifier for Trusting {
    fn verify_server_cert(
        &self, _: &CertificateDer<'_>, _: &[CertificateDer<'_>], _: &ServerName<'_>, _: &[u8], _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }
    fn verify_tls12_signature(&self, _: &[u8], _: &CertificateDer<'_>, _: &DigitallySignedStruct) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }
    fn verify_tls13_signature(&self, _: &[u8], _: &CertificateDer<'_>, _: &DigitallySignedStruct) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }
    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ECDSA_NISTP256_SHA256, SignatureScheme::RSA_PSS_SHA256]
    }
}

pub async fn run(protocol: &str, address: &str, requests: usize, streams: usize) -> Result<(), Failure> {
    let config = rustls::ClientConfig::builder().dangerous().with_custom_certificate_verifier(Arc::new(Trusting)).with_no_client_auth();
    let builder = hyper_rustls::HttpsConnectorBuilder::new().with_tls_config(config).https_or_http();
    let h2 = protocol == "h2";
    let connector: hyper_rustls::HttpsConnector<HttpConnector> = if h2 { builder.enable_http2().build() } else { builder.enable_http1().build() };
    let client: Client<_, Empty<Bytes>> = Client::builder(TokioExecutor::new()).http2_only(h2).build(connector);
    let base = format!("{}://{address}/{}", if pair().is_some() { "https" } else { "http" }, load());
    crate::ask(requests, streams, move |i| {
        let (client, base) = (client.clone(), base.clone());
        async move {
            let request = Request::get(format!("{base}/{i}/{}", asked(i))).header("traceparent", parent(i)).body(Empty::new())?;
            client.request(request).await?.into_body().collect().await?;
            Ok(())
        }
    })
    .await
}
