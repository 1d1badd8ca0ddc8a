//! A certificate authority of one test, and a server's side of TLS on this machine.

use std::net::TcpStream;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// An authority that nobody trusts who was not told to, with a certificate for 127.0.0.1.
pub(crate) struct Authority {
    /// Its own certificate, as programs that trust it read it.
    pub(crate) root: String,
    config: Arc<ServerConfig>,
}

impl Authority {
    pub(crate) fn of_one_test() -> Authority {
        let mut params = CertificateParams::new(Vec::new()).expect("parameters");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let root = params.self_signed(&key).expect("a certificate").pem();
        let issuer = Issuer::new(params, key);
        let (here, key) = (CertificateParams::new(vec!["127.0.0.1".to_owned()]), KeyPair::generate().expect("a key"));
        let leaf = here.expect("parameters").signed_by(&key, &issuer).expect("a certificate").der().clone();
        let secret = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let config = config.expect("protocols").with_no_client_auth().with_single_cert(vec![leaf], secret);
        Authority { root, config: Arc::new(config.expect("a certificate that fits its key")) }
    }

    /// What makes a connection one under TLS; the handshake is made when something is read or written.
    pub(super) fn guard(&self) -> impl Fn(TcpStream) -> StreamOwned<ServerConnection, TcpStream> + Send + use<> {
        let config = Arc::clone(&self.config);
        move |stream| StreamOwned::new(ServerConnection::new(Arc::clone(&config)).expect("a configuration"), stream)
    }
}
