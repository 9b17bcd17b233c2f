"""Few labels: what a pretrained model brings along."""
