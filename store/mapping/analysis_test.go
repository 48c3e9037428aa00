package mapping

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/podbeat/podbeat/es/body"
	"github.com/podbeat/podbeat/test/services"
)

// theirTokens asks Elasticsearch for the terms of a text.
func theirTokens(t *testing.T, url string, a Analyzer, text string) []string {
	t.Helper()
	_, answer := ask(t, "POST", url+"/_analyze", `{"analyzer":"`+string(a)+`","text":`+string(body.AppendString(nil, text))+`}`)
	var out []string
	list, ok := answer["tokens"].([]any)
	if !ok {
		t.Fatalf("%q: %v", text, answer)
	}
	for _, token := range list {
		out = append(out, token.(map[string]any)["token"].(string))
	}
	return out
}

var analyzed = []string{
	"", "The quick brown fox", "error: connection refused (10.0.0.1:8080)", "GET /api/v1/users?id=42 HTTP/1.1 200 1234ms user_name=bob",
	"can't won't o'neil's U.S.A. 3.14 1,000,000 a_b __ _x x_ 12:30:45 foo:bar foo.bar. .x x.. 1.a a.1 1:2 a,b a;b 1;2 1'2 a'b' 'a a:: b",
	"日本語 テキスト ひらがな 한국어 ไทยภาษา mixed日本text über straße naïve ΑΒΓ İstanbul K", "カタカナ_x アaア ー ｶﾀｶﾅ １２３ 〆切 々 👍🏽 ♥🏽",
	"😀 ❤️ 👨‍👩‍👧 🇩🇪 a😀b ©2020 ™ 👍🏽 1️⃣ #️⃣ ☺ 🇩 🇩🇪🇫🇷 ⌚x", "עברית אב'ג العربية ١٢٣ हिन्दी বাংলা ကြောင် ភាសា ລາວ",
	"e\u0301te\u0301 a\u0308 \u0308a a\u200db a\u200bb a\u00adb a\u2060b a\ufeffb a\u00a0b", "a\u2019b a\u00b7b 1\u066b5 a\u2024b a\uff0eb 1\uff0c2 a\uff1ab \uff1a",
	"java.lang.NullPointerException: foo.bar.Baz\n\tat com.x.Y$Z.run(Y.java:12)", "kubernetes.pod.name=foo-5d4f8c7b9-x2x1z level=info msg=\"started\"",
	"a.b.c. 1.2.3. a..b 1..2 a.1.b 1a.2b a1.b2 1.2a a_.b a._b 1_.2", strings.Repeat("x", 255), strings.Repeat("x", 256), strings.Repeat("ab1", 300), strings.Repeat("é", 300), strings.Repeat("𝒳", 200),
	"x\u0000y \u0001", "½ ² Ⅷ ℃ ① ㈱ ﷺ ﬁ Ǆ ẞ ς", "a/b\\c|d~e`f!g@h#i$j%k^l&m*n(o)p-q+r=s[t]u{v}w<x>y?z", "𐐀𐐨 𝟘𝟙 🜀 𠀀𠀁 \U0001F3FBx",
}

func TestAnalyzers(t *testing.T) {
	url := services.Elasticsearch(t, 7)
	f := func(a Analyzer, text string) {
		t.Helper()
		var got []string
		for _, token := range a.Tokens(text) {
			got = append(got, token.Term)
		}
		if want := theirTokens(t, url, a, text); !slices.Equal(got, want) {
			t.Errorf("%s: terms of %q are\n     %q\nwant %q", a, text, got, want)
		}
	}
	for _, text := range analyzed {
		f(Standard, text)
		f(Whitespace, text)
		f(Simple, text)
	}
	// Random runs of what words are made of and divided by.
	pieces := []string{"a", "B", "1", "٣", "_", ".", ",", ":", ";", "'", "’", "·", " ", "-", "/", "日", "ひ", "カ", "ー", "한", "ก", "ب", "\"", "é", "\u0301", "😀", "🇩", "♥", "🏽", "©", "\u00a0", "\u3000", "x1", "K", "İ"}
	g := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		var b strings.Builder
		for range 1 + g.IntN(14) {
			b.WriteString(pieces[g.IntN(len(pieces))])
		}
		f(Standard, b.String())
	}
}
