"""The values and rules of CIMGen; imports numpy and the standard library alone."""
