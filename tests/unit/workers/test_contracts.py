"""The registry of contracts."""

from __future__ import annotations

from quaero.model.contracts import CONTRACTS, ENRICHMENTS, canonical_source_type


def test_names_of_other_systems_mean_ours() -> None:
    assert canonical_source_type("market_fundamentals") == "asx_stock_collector"
    assert canonical_source_type("portfolio_state") == "navexa_holdings"
    assert canonical_source_type("local_dir") == "local_dir"
    assert canonical_source_type("something_else") == "something_else"


def test_no_enrichment_is_called_like_a_field_of_a_contract() -> None:
    fields = {name for model in CONTRACTS.values() for name in model.model_fields}

    assert not fields & set(ENRICHMENTS)
