"""The HTTP face: translate a request, call one service, translate its reply."""
