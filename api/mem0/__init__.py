"""mem0's REST API, so that its official clients work with this service by their `host` alone.

scope: user, agent, app and run ids <-> namespaces and sessions. filters: mem0's filter language. bodies: what its
clients send. memories: what they get. beside: what stands beside the words of one. routes: the paths. absent: the paths
of what is not offered.
"""
