package attr

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

// sameParsed checks that a text is the object, or the mistake, that package json makes of it.
func sameParsed(t *testing.T, text string) {
	t.Helper()
	var want map[string]any
	wrong := json.Unmarshal([]byte(text), &want)
	got, err := ParseJSON(text)
	if (err == nil) != (wrong == nil) || err == nil && !reflect.DeepEqual(got, want) {
		t.Errorf("%q becomes %#v, %v; want %#v, %v", text, got, err, want, wrong)
	}
	var any any
	wrong = json.Unmarshal([]byte(text), &any)
	if got, err := ParseValue(text); (err == nil) != (wrong == nil) || err == nil && !reflect.DeepEqual(got, any) {
		t.Errorf("%q becomes %#v, %v as any value; want %#v, %v", text, got, err, any, wrong)
	}
}

var parsed = []string{
	`{}`, ` { } `, `null`, ``, ` `, `[]`, `"x"`, `true`, `{"a":}`, `{"a"}`, `{"a":1,}`, `{,}`, `{"a":true,}`, `{"a":[true,]}`, `{"a":[,]}`, `{"a":tru}`, `{"a":nullx}`,
	`{"a":"b"} x`, `{"a":"b"}{}`, "{\"a\":\"b\"}\x00", "{\"a\":\"b\x00\"}", "{\"a\":\"b\xff\"}", "{\"\xff\":null}", `{"a":"Jürgen \u00fc \"x\" \ud800"}`, `{"a":"Jürgen","ü":"日本"}`,
	`{"a":1,"b":-0,"c":1e300,"d":1e999,"e":01}`, `{"a":"1","a":{"b":[]},"a":{"c":null}}`, `{"a":{"b":{"c":[[],{},[true,false,null,"x"]]}}}`,
	`{"n":[0,7,10,007,-7,1.5,1e2,123456789012345,1234567890123456,12345678901234567890]}`, `{"n":0}`, `{"n":00}`, `{"n":12x}`, `{"n":999999999999999}`, `12`, `["a",1]`,
	`{"a":"\"","\u0061":"\\","b":"\ud83d\ude00 \/ \b"}`, `{"a":"\x"}`, `{"a":"\`, `{"a":"\"`, `{"a\n":{"b":"c\t\"d\""}}`, "{\"a\\\x01\":1}", "{\"a\xff\\n\":\"\\\xff\"}",
	`{"emails":[{"primary":true,"type":"work","value":"ada@example.org"}],"name":{"givenName":"Ada"}}`, "{\r\n\t\"a\" : [ \"b\" , true ] \n}", `{"a`, `{"a":"b`, `{"a":["b"`, `{"a":{"b":true`,
}

func TestParseJSON(t *testing.T) {
	t.Parallel()
	for _, text := range parsed {
		sameParsed(t, text)
	}
	for _, depth := range []int{deepest - 1, deepest, deepest + 1, 20_000} {
		sameParsed(t, `{"a":`+strings.Repeat("[", depth)+strings.Repeat("]", depth)+"}")
	}
}

func FuzzParseJSON(f *testing.F) {
	for _, text := range parsed {
		f.Add(text)
	}
	f.Fuzz(sameParsed)
}

func BenchmarkParseJSON(b *testing.B) {
	text := parsed[len(parsed)-6]
	for b.Loop() {
		if _, err := ParseJSON(text); err != nil {
			b.Fatal(err)
		}
	}
}
