//! Compiles the .proto files with protox, so that no protoc is needed, and writes the descriptor set for reflection.

use std::error::Error;
use std::path::{Path, PathBuf};

use protox::prost::Message as _;
use tonic_prost_build::FileDescriptorSet;

/// The fields of this type become `bytes` in Rust.
///
/// On the wire an embedded message and a byte string are the same. A client sees the message, by the .proto files and
/// by reflection; the node receives the bytes exactly as sent, so that the ledger's strict decoder is the only decoder
/// of what is signed, and hands out stored ones without encoding them again.
const OPAQUE: &str = ".tonle.v1.SignedTransaction";

fn main() -> Result<(), Box<dyn Error>> {
    let root = Path::new("proto");
    let files = proto_files(root)?;
    let mut compiler = protox::Compiler::new([root])?;
    compiler.include_source_info(true).include_imports(true).open_files(files)?;
    let descriptors = compiler.encode_file_descriptor_set();
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    std::fs::write(out.join("descriptor.bin"), &descriptors)?;
    let set = FileDescriptorSet::decode(descriptors.as_slice())?;
    tonic_prost_build::configure().bytes(".").emit_rerun_if_changed(false).compile_fds(opaque(set))?;
    println!("cargo:rerun-if-changed=proto");
    println!("cargo:rerun-if-changed=build.rs");
    Ok(())
}

/// Every .proto file under `root`, sorted, so that the descriptor set does not depend on the file system.
fn proto_files(root: &Path) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let mut folders = vec![root.to_path_buf()];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "proto") {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

/// Makes every field of the [`OPAQUE`] type a byte string.
fn opaque(mut set: FileDescriptorSet) -> FileDescriptorSet {
    use prost_types::field_descriptor_proto::Type;
    for field in set.file.iter_mut().flat_map(|file| &mut file.message_type).flat_map(|message| &mut message.field) {
        if field.type_name() == OPAQUE {
            field.type_name = None;
            field.set_type(Type::Bytes);
        }
    }
    set
}
