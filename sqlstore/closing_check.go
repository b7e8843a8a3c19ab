package sqlstore

// closedRules hold of closed days, and show what was changed of their entries afterwards.
var closedRules = []rule{
	newRule("closed days follow each other", `
		SELECT d.day, 'its entries begin after ' || CAST(d.after AS TEXT) || ', and the day before it, ' ||
			COALESCE(p.day, 'which is none') || ', ends with ' || CAST(COALESCE(p.last, 0) AS TEXT)
		FROM closed_days d LEFT JOIN closed_days p ON p.day = d.previous
		WHERE (p.day IS NULL AND d.previous <> '') OR COALESCE(p.last, 0) <> d.after`),
	newRule("a closed day has as many entries as when it was closed", `
		SELECT d.day, 'it had ' || CAST(d.entries AS TEXT) || ', and has ' || CAST(COUNT(e.number) AS TEXT)
		FROM closed_days d LEFT JOIN entries e ON e.number > d.after AND e.number <= d.last
		GROUP BY d.day, d.entries HAVING COUNT(e.number) <> d.entries`),
	newRule("a closed day's totals are what its entries sum to, after those of the day before", `
		WITH sides AS (
			SELECT p.entry, p.debit AS account, p.amount AS debit, 0 AS credit FROM postings p
			UNION ALL SELECT p.entry, p.credit, 0, p.amount FROM postings p
		), sums AS (
			SELECT d.day, a.kind, a.currency,
				SUM(CASE WHEN e.action IN ('post', 'post_hold') THEN s.debit ELSE 0 END) AS debits,
				SUM(CASE WHEN e.action IN ('post', 'post_hold') THEN s.credit ELSE 0 END) AS credits
			FROM closed_days d JOIN entries e ON e.number > d.after AND e.number <= d.last
			JOIN sides s ON s.entry = e.number JOIN accounts a ON a.id = s.account
			GROUP BY d.day, a.kind, a.currency
		)
		SELECT t.day, t.kind || ' in ' || t.currency || ' has debits ' || CAST(t.debits AS TEXT) || ' and credits ' || CAST(t.credits AS TEXT) ||
			', but its entries ' || CAST(COALESCE(s.debits, 0) AS TEXT) || ' and ' || CAST(COALESCE(s.credits, 0) AS TEXT)
		FROM closed_totals t JOIN closed_days d ON d.day = t.day
		LEFT JOIN sums s ON s.day = t.day AND s.kind = t.kind AND s.currency = t.currency
		LEFT JOIN closed_totals p ON p.day = d.previous AND p.kind = t.kind AND p.currency = t.currency
		WHERE t.debits <> COALESCE(s.debits, 0) OR t.credits <> COALESCE(s.credits, 0) OR t.opening <> COALESCE(p.closing, 0)
		UNION ALL
		SELECT s.day, 'it has no total of ' || s.kind || ' in ' || s.currency FROM sums s
		LEFT JOIN closed_totals t ON t.day = s.day AND t.kind = s.kind AND t.currency = s.currency WHERE t.day IS NULL`),
	newRule("the trial balance of a closed day is zero", `
		SELECT day, currency || ' sums to ' || CAST(SUM(closing) AS TEXT) FROM closed_totals
		GROUP BY day, currency HAVING SUM(closing) <> 0`),
}
