"""Trunks against carriers that speak SIP: a service with a scripted agent, carriers made here."""
