"""A part-of-speech tagger: a bidirectional LSTM over word embeddings.

Huang et al., "Bidirectional LSTM-CRF Models for Sequence Tagging", 2015 (arXiv:1508.01991), their
BI-LSTM without the CRF: 50,000 words, embeddings of 300, two layers of 512 units in each direction
and the 17 universal part-of-speech tags; 24.7 million parameters, most of them embeddings.
"""

from __future__ import annotations

from torch import Tensor, nn


class BiLstmTagger(nn.Module):
    """Word ids `(batch, words)` to tag logits `(batch, words, tags)`."""

    def __init__(
        self,
        vocabulary: int = 50_000,
        tags: int = 17,
        *,
        embedding: int = 300,
        hidden: int = 512,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, embedding)
        self.dropout = nn.Dropout(dropout)
        self.lstm = nn.LSTM(
            embedding,
            hidden,
            num_layers=2,
            batch_first=True,
            bidirectional=True,
            dropout=dropout,
        )
        self.tags = nn.Linear(2 * hidden, tags)

    def forward(self, words: Tensor) -> Tensor:
        states, _ = self.lstm(self.dropout(self.embedding(words)))
        logits: Tensor = self.tags(self.dropout(states))
        return logits
