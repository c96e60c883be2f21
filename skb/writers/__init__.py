"""Writers: the inverse of the readers, from stated facts to the raw bytes and text of real dumps.

`skb.generate` calls them to make a machine folder from a description; the system's own tools
(`cpuid -f`, `lspci -F`, `iasl -d`) accept what they write.
"""
