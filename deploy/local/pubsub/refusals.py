"""What the server answers to a request that it does not carry out: a gRPC status and a sentence."""

from __future__ import annotations

import grpc


class Refused(Exception):
    """A request that is not carried out, with Google's status code and a sentence for people."""

    def __init__(self, code: grpc.StatusCode, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code
        self.sentence = sentence


def invalid(sentence: str) -> Refused:
    """The request itself is wrong."""
    return Refused(grpc.StatusCode.INVALID_ARGUMENT, sentence)


def not_found(name: str) -> Refused:
    """The topic or subscription is not there."""
    return Refused(grpc.StatusCode.NOT_FOUND, f"Resource not found (resource={name}).")


def already_exists(name: str) -> Refused:
    """The topic or subscription is there already."""
    return Refused(grpc.StatusCode.ALREADY_EXISTS, f"Resource already exists in the project (resource={name}).")


def unsupported(what: str) -> Refused:
    """Google's Pub/Sub can do it, this server cannot: better refused than ignored."""
    sentence = f"{what} is not supported by Tidewheel's Pub/Sub for the laptop; Google's emulator may have it."
    return Refused(grpc.StatusCode.UNIMPLEMENTED, sentence)
