package console

import (
	"encoding/csv"
	"encoding/json"
	"iter"
	"net/http"
	"strings"
	"unicode/utf8"
)

// column is one column of a list that is exported as a table.
type column[T any] struct {
	name string
	of   func(T) string
}

// export writes a list as it comes, so that memory stays flat: as CSV where the request asks for it, and
// otherwise as one JSON document a line. What fails before anything was sent is shown as on every page.
func export[T any](c *console, rq *request, name string, list iter.Seq2[T, error], columns []column[T]) error {
	kind, ending := "application/x-ndjson", ".ndjson"
	write, flush := jsonLines[T](rq.w)
	if rq.FormValue("format") == "csv" {
		kind, ending = "text/csv; charset=utf-8", ".csv"
		write, flush = csvLines(rq.w, columns)
	}
	begun := false
	begin := func() {
		if !begun {
			begun = true
			rq.w.Header().Set("Content-Type", kind)
			rq.w.Header().Set("Content-Disposition", `attachment; filename="`+name+ending+`"`)
			rq.w.Header().Set("Cache-Control", "no-store")
		}
	}
	for v, err := range list {
		if err != nil && !begun {
			return err
		}
		begin()
		if err == nil {
			err = write(v)
		}
		if err != nil {
			c.Log.Warn("an export broke off", "what", name, "error", err)
			panic(http.ErrAbortHandler) // what breaks off must not look whole
		}
	}
	begin()
	return flush()
}

func jsonLines[T any](w http.ResponseWriter) (write func(T) error, flush func() error) {
	e := json.NewEncoder(w)
	return func(v T) error { return e.Encode(v) }, func() error { return nil }
}

func csvLines[T any](to http.ResponseWriter, columns []column[T]) (write func(T) error, flush func() error) {
	w := csv.NewWriter(to)
	headed := false
	head := func() error {
		if headed {
			return nil
		}
		headed = true
		names := make([]string, len(columns))
		for i, c := range columns {
			names[i] = c.name
		}
		return w.Write(names)
	}
	write = func(v T) error {
		if err := head(); err != nil {
			return err
		}
		row := make([]string, len(columns))
		for i, c := range columns {
			row[i] = harmless(c.of(v))
		}
		return w.Write(row)
	}
	return write, func() error {
		if err := head(); err != nil {
			return err
		}
		w.Flush()
		return w.Error()
	}
}

// harmless keeps a spreadsheet from taking a person's name for a formula
// (https://owasp.org/www-community/attacks/CSV_Injection).
func harmless(s string) string {
	if first, _ := utf8.DecodeRuneInString(s); s != "" && strings.ContainsRune("=+-@\t\r\n＝＋－＠", first) {
		return "'" + s
	}
	return s
}
