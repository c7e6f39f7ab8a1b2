import json

import requests


def handle(req):
    """Fetch the page at `url` and say whether `term` stands in it.

    Args:
        req: JSON such as {"url": "http://example.net/", "term": "domain"}.
    """
    question = json.loads(req)
    page = requests.get(question["url"], timeout=10)
    page.raise_for_status()
    return {"found": question["term"] in page.text}
