"""Stores a file with a validator after docs/spec/links.md §7, in as many tries as it takes.

    upload.py ADDRESS KEY FILE [BYTES [cut]]

ADDRESS is the validator's, KEY an API key that may submit. Begins with the hashes of the chunks, or goes on where the last try ended; with BYTES, a number of whole chunks, sends only these. With "cut" the request says
that more follows, and breaks off. Prints where it began, and the name once all is stored.
"""
import hashlib
import http.client
import pathlib
import socket
import sys
import urllib.parse

from ledger import CHUNK, root_of


def ask(address, key, method, path, body=None, **headers):
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=30)
    connection.request(method, path, body, {"Authorization": f"Bearer {key}", "Content-Type": "application/octet-stream", **{name.replace("_", "-"): value for name, value in headers.items()}})
    answer = connection.getresponse()
    return answer.status, dict(answer.getheaders()), answer.read().decode()


def break_off(address, key, path, offset, length, part):
    """A request whose content ends before it is whole: what the validator has of it by then is what counts."""
    with socket.create_connection((address.hostname, address.port)) as connection:
        head = [f"PATCH {path} HTTP/1.1", f"Host: {address.netloc}", f"Authorization: Bearer {key}", f"Upload-Offset: {offset}", f"Content-Length: {length - offset}", "", ""]
        connection.sendall("\r\n".join(head).encode() + part)
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(4096):
            pass


def main():
    address, key, content = urllib.parse.urlparse(sys.argv[1]), sys.argv[2], pathlib.Path(sys.argv[3]).read_bytes()
    name = root_of(content).hex()
    status, headers, said = ask(address, key, "HEAD", f"/blobs/{name}")
    if status != 204:
        leaves = b"".join(hashlib.sha256(b"\0" + content[at:at + CHUNK]).digest() for at in range(0, len(content), CHUNK))
        status, headers, said = ask(address, key, "PUT", f"/blobs/{name}/leaves?length={len(content)}", leaves)
    if status != 204:
        sys.exit(f"{status} {said}")
    offset = int(headers["Upload-Offset"])
    print("from", offset)
    end = offset + int(sys.argv[4]) if len(sys.argv) > 4 else len(content)
    if "cut" in sys.argv[5:]:
        break_off(address, key, f"/blobs/{name}", offset, len(content), content[offset:end])
        return
    if end > offset:
        status, headers, said = ask(address, key, "PATCH", f"/blobs/{name}", content[offset:end], Upload_Offset=str(offset))
        if status != 204 or int(headers["Upload-Offset"]) != end:
            sys.exit(f"{status} {said}")
        if headers["Upload-Complete"] == "?1":
            print("stored", name)


main()
