"""An HTTP client of the serving tests."""

import contextlib
import http.client
import json


class Client:
    """Requests to a port, each over a connection of its own."""

    def __init__(self, port):
        self.port = port

    def send(self, method, path, body=None, headers=None):
        """(status, headers, bytes) of the answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, 60)
        with contextlib.closing(connection):
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            return response.status, response.headers, response.read()

    def json(self, method, path, body=None):
        """(status, decoded answer); `body` is encoded unless it is bytes."""
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        status, _, answer = self.send(method, path, body)
        return status, json.loads(answer)

    def post(self, endpoint, body):
        return self.json("POST", f"/v1/{endpoint}", body)
