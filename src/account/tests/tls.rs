//! What a certificate that is not right comes to.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::pki_types::PrivateKeyDer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::super::scripted::{Reply, serve};
use super::*;

/// A certificate authority of one test.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    root: Vec<u8>,
}

impl Authority {
    fn called(name: &str) -> Authority {
        let mut params = CertificateParams::new(Vec::new()).expect("parameters");
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let root = params.self_signed(&key).expect("a certificate").der().to_vec();
        Authority { issuer: Issuer::new(params, key), root }
    }

    /// A service that shows a certificate for `name`, valid until the end of `year`; answers its address.
    async fn service(&self, name: &str, year: i32) -> String {
        let mut params = CertificateParams::new(vec![name.to_owned()]).expect("parameters");
        (params.not_before, params.not_after) = (date_time_ymd(2019, 1, 1), date_time_ymd(year, 12, 31));
        let key = KeyPair::generate().expect("a key");
        let leaf = params.signed_by(&key, &self.issuer).expect("a certificate").der().clone();
        let secret = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let config = config.expect("protocols").with_no_client_auth().with_single_cert(vec![leaf], secret);
        let acceptor = TlsAcceptor::from(Arc::new(config.expect("a certificate that fits its key")));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        tokio::spawn(async move {
            let replies = Mutex::new(VecDeque::from([Reply::good(ME)]));
            let asked = Mutex::new(Vec::new());
            while let Ok((socket, _)) = listener.accept().await {
                // A client that does not like the certificate hangs up here.
                if let Ok(mut socket) = acceptor.accept(socket).await {
                    serve(&mut socket, &replies, &asked).await;
                }
            }
        });
        format!("https://localhost:{port}")
    }
}

/// What opening the account comes to, when these roots are trusted.
async fn opened(address: &str, trusted: &[u8]) -> Result<Account, Error> {
    let root = reqwest::Certificate::from_der(trusted).expect("a certificate");
    let builder = reqwest::Client::builder().tls_certs_only([root]);
    let wire = Wire::over(builder, Endpoint::parse(address)?, pass(TOKEN))?;
    Account::over(wire, Allowance::Unlimited, Clock::System, (AT_ONCE, AT_ONCE)).await
}

async fn error(address: &str, trusted: &[u8]) -> String {
    opened(address, trusted).await.err().expect("no account").to_string()
}

#[tokio::test]
async fn a_certificate_that_is_right_opens_the_account() {
    let authority = Authority::called("one");
    let address = authority.service("localhost", 2999).await;
    let account = opened(&address, &authority.root).await.expect("an account");
    assert_eq!(account.identity().company_name, "Acme");
}

#[tokio::test]
async fn a_certificate_that_is_not_right_is_named() {
    let authority = Authority::called("one");
    let expired = authority.service("localhost", 2020).await;
    let reason = error(&expired, &authority.root).await;
    assert_eq!(reason, "cannot reach the service: the certificate of the service has expired");
    let elsewhere = authority.service("other.example", 2999).await;
    let reason = error(&elsewhere, &authority.root).await;
    assert_eq!(reason, "cannot reach the service: the certificate of the service is for another host");
    let reason = error(&authority.service("localhost", 2999).await, &Authority::called("another").root).await;
    assert_eq!(
        reason,
        "cannot reach the service: the certificate of the service was issued by nobody this machine trusts"
    );
}

#[tokio::test]
async fn a_service_without_tls_is_named() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = format!("https://{}", listener.local_addr().expect("an address"));
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut hello = [0; 4_096];
            let _read = socket.read(&mut hello).await;
            let _told = socket.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        }
    });
    let reason = error(&address, &Authority::called("one").root).await;
    assert!(reason.starts_with("cannot reach the service: no secure connection"), "{reason}");
}
