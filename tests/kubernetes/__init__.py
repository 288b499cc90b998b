"""Kubernetes' manifests and the Helm chart: rendered, checked and compared, without a cluster."""
