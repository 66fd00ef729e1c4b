package status

import (
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// writeJSON answers with a value that can always be encoded.
func writeJSON(w http.ResponseWriter, value any) {
	text, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		writeText(w, http.StatusInternalServerError, err.Error())
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(text)+1))
	w.Write(append(text, '\n'))
}

func writeText(w http.ResponseWriter, code int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(code)
	io.WriteString(w, text+"\n")
}

// ready answers for whoever decides whether to send traffic here.
func ready(w http.ResponseWriter, d Daemon) {
	if reasons := Waiting(d.Status()); len(reasons) > 0 {
		writeText(w, http.StatusServiceUnavailable, strings.Join(reasons, "\n"))
		return
	}
	writeText(w, http.StatusOK, "ready")
}

const maxName = 254 // RFC 1035, with a trailing dot

// explain answers ?name=NAME.
func explain(w http.ResponseWriter, r *http.Request, d Daemon) {
	name := r.URL.Query().Get("name")
	if name == "" || len(name) > maxName {
		writeText(w, http.StatusBadRequest, "give a host name: ?name=NAME")
		return
	}
	writeJSON(w, ExplanationOf(d, name))
}
