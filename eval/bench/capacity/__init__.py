"""How far one machine goes: curves over the size of a namespace and over the number of namespaces."""
