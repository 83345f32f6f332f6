"""Pays over gRPC, with nothing but server reflection: pip install grpcio grpcio-reflection cryptography
usage: pay.py ADDRESS KEY_FILE FROM TO AMOUNT_MINOR ASSET REFERENCE [RECEIPT_FILE]
  pay.py 127.0.0.1:50051 .devnet/keys/aba.key alice@aba bob@wing 400000 KHR inv-1 inv-1.receipt
"""
import sys
import time

import grpc
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from google.protobuf import descriptor_pool, message_factory
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase


class Ledger:
    """tonle.v1.LedgerService, as the server itself describes it."""

    def __init__(self, address):
        self.channel = grpc.insecure_channel(address)
        self.pool = descriptor_pool.DescriptorPool(ProtoReflectionDescriptorDatabase(self.channel))

    def message(self, name, **fields):
        return message_factory.GetMessageClass(self.pool.FindMessageTypeByName("tonle.v1." + name))(**fields)

    def call(self, method, request, timeout=30):
        answer = type(self.message(method + "Response"))
        path = "/tonle.v1.LedgerService/" + method
        return self.channel.unary_unary(path, lambda m: m.SerializeToString(), answer.FromString)(request, timeout=timeout)

    def sign(self, body, secret):
        """What is signed: a tag, the chain's digest, and the serialized body exactly as it is sent."""
        body_bytes = body.SerializeToString(deterministic=True)
        key = Ed25519PrivateKey.from_private_bytes(secret)
        signature = key.sign(b"tonle/v1/transaction\0" + body.chain + body_bytes)
        signer = self.message("Signature", key=key.public_key().public_bytes_raw(), signature=signature)
        return self.message("SignedTransaction", body=body_bytes, signatures=[signer])


def main(address, key_file, payer, payee, amount, asset, reference, receipt_file=None):
    ledger = Ledger(address)
    status = ledger.call("GetStatus", ledger.message("GetStatusRequest"))
    transfer = {"from": payer, "to": payee, "asset": asset, "amount_minor": int(amount), "instruction_ref": reference}
    now = int(time.time() * 1000)
    operation = ledger.message("Operation", transfer=ledger.message("Transfer", **transfer))
    body = ledger.message("TransactionBody", chain=status.chain_digest, operations=[operation],
                          not_before_ms=now - 60_000, not_after_ms=now + 600_000)
    secret = bytes.fromhex(open(key_file).read().split("secret ")[1])  # an unencrypted development key
    request = ledger.message("SubmitAndWaitRequest", transaction=ledger.sign(body, secret), prove=True)
    answer = ledger.call("SubmitAndWait", request)
    if receipt_file:
        open(receipt_file, "wb").write(answer.finality_receipt)
    print("ALREADY FINAL" if answer.duplicate else "FINAL", "block", answer.receipt.height)


if __name__ == "__main__":
    main(*sys.argv[1:])
