//! The file: JSON in exactly one form, whose hexadecimal fields are canonical bytes.
//!
//! ```json
//! {
//!   "format": "tonle finality receipt",
//!   "version": 1,
//!   "chain": "<32 bytes>",
//!   "subject": "<transaction id, or name@participant>",
//!   "height": 37,
//!   "boundaries": [
//!     {
//!       "header": "<header>",
//!       "certificate": "<quorum certificate>",
//!       "validators": "<the next epoch's validators>"
//!     }
//!   ],
//!   "headers": ["<header>", ...],
//!   "certificate": "<quorum certificate>",
//!   "proof": "<receipt proof or account proof>"
//! }
//! ```
//! `boundaries` is left out when the validators are those of genesis. The order of fields, the two-space indentation,
//! one space after each colon, lowercase hexadecimal and the line end
//! after the last brace are part of the form. So no byte of a file can change without its meaning changing, or the
//! file being refused.
//!
//! Must not know: what makes a proof valid.

use serde::{Deserialize, Serialize};
use tonle_consensus::{Boundary, Header, QuorumCertificate, VALIDATORS_MAX};
use tonle_crypto::{Canonical, Digest, Reader, Writer};
use tonle_ledger::{AccountId, AccountProof, ReceiptProof, TransactionId};

use super::FILE_BYTES_MAX;

const FORMAT: &str = "tonle finality receipt";
const VERSION: u32 = 1;

/// Why bytes are no finality receipt.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DocumentInvalid {
    /// Longer than [`FILE_BYTES_MAX`].
    #[error("the file is longer than {FILE_BYTES_MAX} bytes")]
    TooLong,
    /// Not JSON with these fields.
    #[error("not a finality receipt: {0}")]
    Json(String),
    /// Another program's format, or a later version.
    #[error("format \"{format}\" version {version} is not known; this program reads \"{FORMAT}\" version {VERSION}")]
    Format {
        /// The format found.
        format: String,
        /// The version found.
        version: u32,
    },
    /// A field does not hold what it should.
    #[error("field \"{0}\" is malformed")]
    Field(&'static str),
    /// The same content, written otherwise.
    #[error("the file was altered: its content is not written in the one accepted form")]
    NotCanonical,
}

/// What the file is about, with the proof.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// A transaction's receipt.
    Transaction(Box<ReceiptProof>),
    /// An account after the checkpoint's height.
    Account {
        /// That height.
        height: u64,
        /// The proof.
        proof: AccountProof,
    },
}

/// A finality receipt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// The chain.
    pub chain: Digest,
    /// What it is about.
    pub subject: Subject,
    /// One for each change of the validators since genesis up to the certificate's epoch, ascending.
    pub boundaries: Vec<Boundary>,
    /// The header that names the roots, then its descendants up to the certified one.
    pub headers: Vec<Header>,
    /// The finality certificate of the last header.
    pub certificate: QuorumCertificate,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Json {
    format: String,
    version: u32,
    chain: String,
    subject: String,
    height: u64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    boundaries: Vec<JsonBoundary>,
    headers: Vec<String>,
    certificate: String,
    proof: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct JsonBoundary {
    header: String,
    certificate: String,
    validators: String,
}

impl JsonBoundary {
    fn new(boundary: &Boundary) -> Self {
        let mut validators = Writer::new();
        validators.list(&boundary.validators);
        JsonBoundary {
            header: hex::encode(boundary.header.bytes()),
            certificate: hex::encode(boundary.certificate.encode()),
            validators: hex::encode(validators.finish()),
        }
    }

    fn boundary(&self) -> Result<Boundary, DocumentInvalid> {
        let malformed = || DocumentInvalid::Field("boundaries");
        let bytes = hex::decode(&self.validators).map_err(|_| malformed())?;
        let mut reader = Reader::new(&bytes);
        let validators = reader.list("validators", VALIDATORS_MAX).map_err(|_| malformed())?;
        reader.finish().map_err(|_| malformed())?;
        Ok(Boundary {
            header: decode("boundaries", &self.header)?,
            certificate: decode("boundaries", &self.certificate)?,
            validators,
        })
    }
}

impl Document {
    /// The file's content.
    ///
    /// # Errors
    /// Never for a document of this type; serde's error otherwise.
    pub fn to_bytes(&self) -> Result<Vec<u8>, serde_json::Error> {
        let (subject, height, proof) = match &self.subject {
            Subject::Transaction(proof) => {
                (proof.receipt.transaction.to_string(), proof.receipt.height, proof.encode())
            }
            Subject::Account { height, proof } => (proof.account.to_string(), *height, proof.encode()),
        };
        let json = Json {
            format: FORMAT.to_owned(),
            version: VERSION,
            chain: self.chain.to_string(),
            subject,
            height,
            boundaries: self.boundaries.iter().map(JsonBoundary::new).collect(),
            headers: self.headers.iter().map(|header| hex::encode(header.bytes())).collect(),
            certificate: hex::encode(self.certificate.encode()),
            proof: hex::encode(proof),
        };
        let mut bytes = serde_json::to_vec_pretty(&json)?;
        bytes.push(b'\n');
        Ok(bytes)
    }

    /// Reads a file's content, in its one form.
    ///
    /// # Errors
    /// [`DocumentInvalid`] for anything that [`Document::to_bytes`] does not write.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DocumentInvalid> {
        if bytes.len() > FILE_BYTES_MAX {
            return Err(DocumentInvalid::TooLong);
        }
        let json: Json = serde_json::from_slice(bytes).map_err(|error| DocumentInvalid::Json(error.to_string()))?;
        if json.format != FORMAT || json.version != VERSION {
            return Err(DocumentInvalid::Format { format: json.format, version: json.version });
        }
        let headers: Result<Vec<Header>, _> = json.headers.iter().map(|text| decode("headers", text)).collect();
        let document = Document {
            chain: Digest::from_hex(&json.chain).ok_or(DocumentInvalid::Field("chain"))?,
            subject: subject(&json)?,
            boundaries: json.boundaries.iter().map(JsonBoundary::boundary).collect::<Result<_, _>>()?,
            headers: headers?,
            certificate: decode("certificate", &json.certificate)?,
        };
        // Whatever the parts read above do not hold (spaces, case, order, the readable copies of subject and height)
        // shows here.
        match document.to_bytes() {
            Ok(canonical) if canonical == bytes => Ok(document),
            _ => Err(DocumentInvalid::NotCanonical),
        }
    }
}

fn subject(json: &Json) -> Result<Subject, DocumentInvalid> {
    if TransactionId::from_hex(&json.subject).is_some() {
        decode("proof", &json.proof).map(Box::new).map(Subject::Transaction)
    } else if AccountId::new(&json.subject).is_ok() {
        Ok(Subject::Account { height: json.height, proof: decode("proof", &json.proof)? })
    } else {
        Err(DocumentInvalid::Field("subject"))
    }
}

fn decode<T: Canonical>(field: &'static str, text: &str) -> Result<T, DocumentInvalid> {
    let bytes = hex::decode(text).map_err(|_| DocumentInvalid::Field(field))?;
    T::decode(&bytes).map_err(|_| DocumentInvalid::Field(field))
}
