# A service as those of OpenStack are: keystonemiddleware says who is calling. It answers
# with what it was told. Below /late it decides by itself what to do with strangers.
# Arguments: the URL of identity, and the user, password and project of the service.
import json
import logging
import sys
from wsgiref import simple_server

from keystonemiddleware import auth_token


def answer(env, start):
    told = {k[5:]: v for k, v in env.items() if k.startswith(("HTTP_X_", "HTTP_OPENSTACK_"))}
    start("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(told).encode()]


class Quiet(simple_server.WSGIRequestHandler):
    def log_message(self, *args):
        pass


url, user, password, project = sys.argv[1:]
logging.disable(logging.CRITICAL)
conf = {
    "oslo_config_project": "service", "auth_type": "password", "auth_url": url, "www_authenticate_uri": url,
    "username": user, "password": password, "user_domain_id": "default",
    "project_name": project, "project_domain_id": "default", "interface": "public", "region_name": "RegionOne",
    "token_cache_time": "-1", "service_token_roles_required": "True", "service_type": "compute",
}
strict = auth_token.AuthProtocol(answer, conf)
late = auth_token.AuthProtocol(answer, {**conf, "delay_auth_decision": "True"})
server = simple_server.make_server(
    "127.0.0.1", 0, lambda env, start: (late if env["PATH_INFO"].startswith("/late") else strict)(env, start),
    handler_class=Quiet)
print("http://127.0.0.1:%d" % server.server_port, flush=True)
server.serve_forever()
