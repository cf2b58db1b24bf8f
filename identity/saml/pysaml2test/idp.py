"""A small SAML 2.0 identity provider, on pysaml2, for tests.

    idp.py CONFIG metadata   prints the provider's metadata
    idp.py CONFIG            serves until it is killed

CONFIG is a JSON file, see Config in pysaml2test.go. Users log in with HTTP's basic
authentication, with a browser (/sso) or as clients that carry SOAP messages (/ecp).
"""
import base64
import html
import http.server
import json
import re
import sys
import urllib.parse

from saml2 import BINDING_HTTP_POST, BINDING_HTTP_REDIRECT, BINDING_SOAP
from saml2.authn_context import PASSWORD
from saml2.config import IdPConfig
from saml2.metadata import create_metadata_string
from saml2.saml import NAME_FORMAT_BASIC, NAMEID_FORMAT_PERSISTENT, NameID
from saml2.server import Server
from saml2.sigver import verify_redirect_signature
from saml2.xmldsig import DIGEST_SHA256, SIG_RSA_SHA256

with open(sys.argv[1]) as f:
    config = json.load(f)
describe = len(sys.argv) == 3
base = "http://127.0.0.1:%d" % config["port"]


ENVELOPE = (
    '<S:Envelope xmlns:S="http://schemas.xmlsoap.org/soap/envelope/"><S:Header>'
    '<ecp:Response xmlns:ecp="urn:oasis:names:tc:SAML:2.0:profiles:SSO:ecp" S:mustUnderstand="1" '
    'S:actor="http://schemas.xmlsoap.org/soap/actor/next" AssertionConsumerServiceURL="%s"/>'
    '</S:Header><S:Body>%s</S:Body></S:Envelope>')


def settings():
    idp = {
        "endpoints": {"single_sign_on_service": [
            (base + "/sso", BINDING_HTTP_REDIRECT), (base + "/ecp", BINDING_SOAP)]},
        "name_id_format": [NAMEID_FORMAT_PERSISTENT],
        # What is served checks the signatures of queries itself: pysaml2 7.0 looks for one
        # in the document only.
        "want_authn_requests_signed": config["want_signed"] and describe,
        "policy": {"default": {"lifetime": {"minutes": 5}, "name_form": NAME_FORMAT_BASIC}},
    }
    all_of_it = {
        "entityid": base + "/metadata",
        "key_file": config["key"],
        "cert_file": config["certificate"],
        "xmlsec_binary": "/usr/bin/xmlsec1",
        "service": {"idp": idp},
    }
    if not describe:
        all_of_it["metadata"] = {"local": [config["service"]]}
    return IdPConfig().load(all_of_it)


def user_of(header):
    """The user who logs in, or None."""
    kind, _, encoded = (header or "").partition(" ")
    if kind != "Basic":
        return None
    name, _, password = base64.b64decode(encoded).decode().partition(":")
    user = config["users"].get(name)
    if user is None or user["password"] != password:
        return None
    return dict(user, name=name)


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(url.query))
        if url.path != "/sso":
            return self.answer(404, "text/plain", "no such page")
        user = user_of(self.headers["Authorization"])
        if user is None:
            return self.answer(401, "text/plain", "log in")
        request = server.parse_authn_request(query["SAMLRequest"], BINDING_HTTP_REDIRECT)
        if config["want_signed"] and not self.signed(request, query):
            return self.answer(403, "text/plain", "the request is not signed")
        args = server.response_args(request.message, [BINDING_HTTP_POST])
        response = server.create_authn_response(**self.response(user, args))
        text = base64.b64encode(str(response).encode()).decode()
        fields = {"SAMLResponse": text, "RelayState": query.get("RelayState", "")}
        inputs = "".join('<input type="hidden" name="%s" value="%s"/>' % (k, html.escape(v)) for k, v in fields.items())
        self.answer(200, "text/html", '<form action="%s" method="post">%s</form>' % (html.escape(args["destination"]), inputs))

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        user = user_of(self.headers["Authorization"])
        if self.path != "/ecp" or user is None:
            return self.answer(401, "text/plain", "log in")
        request = server.parse_authn_request(body, BINDING_SOAP)
        consumer = request.message.assertion_consumer_service_url
        args = {"in_response_to": request.message.id, "destination": consumer,
                "sp_entity_id": request.message.issuer.text, "name_id_policy": None}
        response = str(server.create_authn_response(**self.response(user, args)))
        # pysaml2's own envelope takes no response whose assertion is signed already.
        self.answer(200, "text/xml", ENVELOPE % (html.escape(consumer), re.sub(r"^<\?xml.*?\?>", "", response)))

    def signed(self, request, query):
        certificates = server.metadata.certs(request.message.issuer.text, "spsso", "signing")
        info = {k: query[k] for k in ("SAMLRequest", "RelayState", "SigAlg", "Signature") if k in query}
        return "Signature" in info and any(
            verify_redirect_signature(info, server.sec.sec_backend, c) for c in certificates)

    def response(self, user, args):
        name = NameID(format=NAMEID_FORMAT_PERSISTENT, text="id-of-" + user["name"])
        return dict(
            identity=user["attributes"], userid=user["name"], name_id=name,
            in_response_to=args["in_response_to"], destination=args["destination"], sp_entity_id=args["sp_entity_id"],
            authn={"class_ref": PASSWORD, "authn_auth": base}, sign_assertion=config["sign"] == "assertion",
            sign_response=config["sign"] == "response", encrypt_assertion=False,
            sign_alg=SIG_RSA_SHA256, digest_alg=DIGEST_SHA256)

    def answer(self, status, kind, text):
        data = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


if describe:
    print(create_metadata_string("", config=settings(), sign=False).decode())
    sys.exit()
server = Server(config=settings())
httpd = http.server.HTTPServer(("127.0.0.1", config["port"]), Handler)
httpd.serve_forever()
