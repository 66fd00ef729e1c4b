package config

// nearest returns the candidate that differs from s by at most two letters, or nothing: what was probably meant.
func nearest(s string, candidates []string) string {
	best, distance := "", 3
	for _, c := range candidates {
		if d := editDistance(s, c); d < distance && d < len(c) {
			best, distance = c, d
		}
	}
	return best
}

// editDistance is Levenshtein's. Long strings are as different as can be: they are not compared.
func editDistance(a, b string) int {
	const most = 64
	if len(a) > most || len(b) > most {
		return most
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}
