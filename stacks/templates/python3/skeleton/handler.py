def handle(req):
    """Answer a request; what is returned goes back to the caller.

    Args:
        req: the body of the request, as text.
    """
    return f"Hello! You said: {req}"
