"""Flask with requests and nothing else: PORT and UPSTREAM in the environment. Run by gunicorn: plain:app."""
import os

import flask
import requests

app = flask.Flask("plain")


@app.get("/call")
def call():
    return requests.get(os.environ["UPSTREAM"] + "/work", timeout=10).text
