//! A key and a certificate for a run, and the settings of both sides.

use crate::provider;
use openssl::asn1::Asn1Time;
use openssl::bn::BigNum;
use openssl::ec::{EcGroup, EcKey};
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::rsa::Rsa;
use openssl::ssl::{SslContext, SslMethod, SslVerifyMode, SslVersion};
use openssl::x509::store::X509StoreBuilder;
use openssl::x509::{X509, X509Name};

/// The type of the server's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyType {
    /// ECDSA with P-256.
    Ec,
    /// RSA with 2048 bits.
    Rsa,
}

/// Makes a key, and the settings of a server that has it and of a client that trusts it alone. The
/// server's signatures are the provider's.
pub fn make(key_type: KeyType) -> Result<(SslContext, SslContext), ErrorStack> {
    let key = match key_type {
        KeyType::Ec => {
            let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?;
            PKey::from_ec_key(EcKey::generate(&group)?)?
        }
        KeyType::Rsa => PKey::from_rsa(Rsa::generate(2048)?)?,
    };
    let certificate = self_signed(&key)?;

    let mut server = SslContext::builder(SslMethod::tls_server())?;
    server.set_min_proto_version(Some(SslVersion::TLS1_3))?;
    server.set_certificate(&certificate)?;
    server.set_private_key(&*provider::import(&key)?)?;
    server.check_private_key()?;

    let mut trusted = X509StoreBuilder::new()?;
    trusted.add_cert(certificate)?;
    let mut client = SslContext::builder(SslMethod::tls_client())?;
    client.set_cert_store(trusted.build());
    client.set_verify(SslVerifyMode::PEER);
    Ok((server.build(), client.build()))
}

fn self_signed(key: &PKey<Private>) -> Result<X509, ErrorStack> {
    let mut name = X509Name::builder()?;
    name.append_entry_by_text("CN", "server")?;
    let name = name.build();
    let mut certificate = X509::builder()?;
    certificate.set_version(2)?; // X.509 version 3
    certificate.set_serial_number(&*BigNum::from_u32(1)?.to_asn1_integer()?)?;
    certificate.set_subject_name(&name)?;
    certificate.set_issuer_name(&name)?;
    certificate.set_not_before(&*Asn1Time::days_from_now(0)?)?;
    certificate.set_not_after(&*Asn1Time::days_from_now(1)?)?;
    certificate.set_pubkey(key)?;
    certificate.sign(key, MessageDigest::sha256())?;
    Ok(certificate.build())
}
