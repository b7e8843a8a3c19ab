package sqlstore

// payoutRules hold of payouts and their entries.
var payoutRules = []rule{
	newRule("a payout's entries are those of its state", `
		SELECT p.id, 'it is ' || p.state || ', but has the entries ' ||
			CASE WHEN h.id IS NULL THEN '' ELSE 'hold ' END || CASE WHEN b.id IS NULL THEN '' ELSE 'post ' END ||
			CASE WHEN r.id IS NULL THEN '' ELSE 'release ' END || CASE WHEN g.id IS NULL THEN '' ELSE 'return' END
		FROM payouts p
		LEFT JOIN entries h ON h.id = p.id || '/hold' AND h.action = 'hold' AND h.reference = p.id
		LEFT JOIN entries b ON b.id = p.id || '/post' AND b.action = 'post_hold' AND b.reference = p.id AND b.number > h.number
		LEFT JOIN entries r ON r.id = p.id || '/release' AND r.action = 'release' AND r.reference = p.id AND r.number > h.number
		LEFT JOIN entries g ON g.id = p.id || '/return' AND g.action = 'post' AND g.reference = p.id AND g.number > b.number
		WHERE h.id IS NULL
			OR (b.id IS NOT NULL) <> (p.confirmed_at > 0)
			OR (r.id IS NOT NULL) <> (p.ended_at > 0 AND p.confirmed_at = 0)
			OR (g.id IS NOT NULL) <> (p.ended_at > 0 AND p.confirmed_at > 0)`),
	newRule("a payout's entries move its amount from its account to issuance, and back if it was returned", `
		SELECT p.id, 'entry ' || e.id || ' moves ' || CAST(l.amount AS TEXT) || ' ' || l.currency || ' from ' || l.debit || ' to ' || l.credit
		FROM payouts p JOIN entries e ON e.reference = p.id JOIN postings l ON l.entry = e.number
		WHERE l.line <> 0 OR l.amount <> p.amount OR l.currency <> p.currency
			OR l.debit <> CASE WHEN e.id = p.id || '/return' THEN 'issuance-' || p.currency ELSE p.account END
			OR l.credit <> CASE WHEN e.id = p.id || '/return' THEN p.account ELSE 'issuance-' || p.currency END
		UNION ALL
		SELECT p.id, 'there is entry ' || e.id FROM payouts p JOIN entries e ON e.reference = p.id
		WHERE e.id <> p.id || '/hold' AND e.id <> p.id || '/post' AND e.id <> p.id || '/release' AND e.id <> p.id || '/return'`),
	newRule("an account's money goes to issuance by a payout only", `
		SELECT e.id, 'it moves ' || CAST(l.amount AS TEXT) || ' from ' || l.debit || ' to ' || l.credit || ', but there is no payout ' || e.reference
		FROM postings l JOIN entries e ON e.number = l.entry JOIN accounts d ON d.id = l.debit AND d.kind <> 'issuance'
		LEFT JOIN payouts p ON p.id = e.reference
		WHERE l.credit = 'issuance-' || l.currency AND p.id IS NULL`),
	newRule("a payout is from its payee's account", `
		SELECT p.id, 'it is from ' || p.account || ', which is ' || a.kind || ' in ' || a.currency FROM payouts p
		JOIN accounts a ON a.id = p.account
		WHERE a.currency <> p.currency OR a.kind <> CASE WHEN p.payee IS NULL THEN 'card' ELSE 'payee' END`),
	newRule("a file has as many payouts as it says, and their sum", `
		SELECT f.id, 'it has ' || CAST(f.payouts AS TEXT) || ' with ' || CAST(f.total AS TEXT) || ', but there are ' ||
			CAST(COUNT(p.id) AS TEXT) || ' with ' || CAST(COALESCE(SUM(p.amount), 0) AS TEXT)
		FROM payout_files f LEFT JOIN payouts p ON p.file = f.id AND p.currency = f.currency
		GROUP BY f.id, f.payouts, f.total HAVING COUNT(p.id) <> f.payouts OR COALESCE(SUM(p.amount), 0) <> f.total`),
}
