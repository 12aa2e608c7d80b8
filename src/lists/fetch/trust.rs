//! By which authorities servers are believed.

use std::path::Path;
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

/// The authorities that vouch for servers.
#[derive(Clone, Debug)]
pub struct Trust {
    /// For servers anywhere.
    pub public: Arc<RootCertStore>,
    /// For servers of one's own network: those, and one's own authorities.
    pub local: Arc<RootCertStore>,
}

impl Trust {
    /// Takes the public authorities, and for lists with `local = true` those of a PEM file too.
    pub fn with_own(file: Option<&Path>) -> Result<Trust, String> {
        let public: RootCertStore = webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect();
        let mut local = public.clone();
        if let Some(file) = file {
            add(&mut local, file).map_err(|why| format!("ca `{}`: {why}", file.display()))?;
        }
        Ok(Trust { public: Arc::new(public), local: Arc::new(local) })
    }
}

fn add(roots: &mut RootCertStore, file: &Path) -> Result<(), String> {
    let text = std::fs::read(file).map_err(|error| error.to_string())?;
    let before = roots.len();
    for certificate in CertificateDer::pem_slice_iter(&text) {
        let certificate = certificate.map_err(|error| error.to_string())?;
        roots.add(certificate).map_err(|error| error.to_string())?;
    }
    match roots.len() == before {
        true => Err("it holds no certificate; give the authority's in PEM form".into()),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_authorities_count_for_ones_own_network_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("ca.pem");
        assert!(Trust::with_own(Some(&path)).is_err_and(|why| why.contains("ca.pem")));
        std::fs::write(&path, "no pem").expect("written");
        assert!(Trust::with_own(Some(&path)).is_err_and(|why| why.contains("no certificate")));
        let key = rcgen::KeyPair::generate().expect("a key");
        let own = rcgen::CertificateParams::new(vec!["lists.example".into()]).expect("a name");
        let own = own.self_signed(&key).expect("a certificate");
        std::fs::write(&path, own.pem()).expect("written");
        let trust = Trust::with_own(Some(&path)).expect("a certificate");
        assert_eq!(trust.local.len(), trust.public.len() + 1);
    }
}
