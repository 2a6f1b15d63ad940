"""Every worker type and agent type that Quaero's documentation names, built or not.

A definition may use a name before it is built: that is "not available here", which is another
mistake than a name that nobody has ever heard of.
"""

from __future__ import annotations

TYPES = frozenset(
    [
        "crawler",
        "github_repo",
        "agent",
        "places_search",
        "orchestrator",
        "market_data",
        "market_announcements",
        "market_announcement_download",
        "market_fundamentals",
        "market_data_collection",
        "market_signal",
        "market_portfolio",
        "market_assessor",
        "rating_bfs",
        "rating_cds",
        "rating_nfr",
        "rating_pps",
        "rating_vrs",
        "rating_ob",
        "rating_composite",
        "portfolio_holdings",
        "web_search",
        "summary",
        "github_git",
        "github_actions",
        "local_dir",
        "code_map",
        "analyze_build",
        "classify",
        "dependency_graph",
        "aggregate_summary",
        "email",
        "email_watcher",
        "output_formatter",
        "market_news",
        "ticker_news",
        "ticker_metadata",
        "market_director_interest",
        "market_macro",
        "market_competitor",
        "market_consolidate",
        "market_annual_report",
        "signal_analysis",
        "portfolio",
        "portfolio_list",
        "portfolio_fetch",
        "portfolio_performance",
        "portfolio_review",
        "portfolio_newsletter",
        "navexa_portfolio",
        "job_template",
        "test_job_generator",
        "transform",
        "reindex",
    ]
)
"""Worker types, as ``type`` of a step says them. ``transform`` and ``reindex`` never had a worker."""

AGENT_TYPES = frozenset(
    [
        "keyword_extractor",
        "category_classifier",
        "entity_recognizer",
        "metadata_enricher",
        "rule_classifier",
        "document_generator",
        "web_enricher",
        "content_summarizer",
        "sentiment_analyzer",
        "relation_extractor",
        "question_answerer",
    ]
)
"""What ``agent_type`` of an ``agent`` step may say; the second row was documented and never built."""
