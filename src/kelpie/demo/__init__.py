"""The demo: the main job end to end on real data.

company       a made-up SaaS company as a DuckDB file; company.yaml is its semantic model
company_life  what happens there: sign-ups, trials, changes of plan, invoices, refunds, churn
claims        what it claims is checked while people watch
script        what it shows and claims
server        a real `kelpie serve` in a process of its own, so that it can be killed
teams         two teams ask one question about the company
warehouse     every flight out of New York City in 2013 as a DuckDB file; flights.yaml is its semantic model
"""
