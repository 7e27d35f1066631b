package route

import "strings"

// Path splits a request target (RFC 9112, section 3.2) without allocation: its results are parts of target or constants.
//
//	origin     /a/b?q           path "/a/b", query "q"
//	absolute   http://h:1/p?q   path "/p" ("/" when there is none), query "q", scheme "http", authority "h:1"
//	authority  h:443            authority "h:443"
//	asterisk   *                path "*"
//
// hasQuery tells a query that is empty from none. A fragment and the credentials of an authority are dropped. The
// scheme is in lower case when it is http or https, else as received. What has none of these forms is given as path,
// as received up to its query; it has no slash in front.
func Path(target string) (path, query string, hasQuery bool, scheme, authority string) {
	if cut := strings.IndexByte(target, '#'); cut >= 0 {
		target = target[:cut]
	}
	rest, query, hasQuery := strings.Cut(target, "?")
	if rest == "" || rest[0] == '/' || rest == "*" {
		return rest, query, hasQuery, "", ""
	}
	if s, behind, ok := strings.Cut(rest, "://"); ok && isScheme(s) {
		slash := strings.IndexByte(behind, '/')
		if slash < 0 {
			return "/", query, hasQuery, foldScheme(s), dropCredentials(behind)
		}
		return behind[slash:], query, hasQuery, foldScheme(s), dropCredentials(behind[:slash])
	}
	if hasQuery || strings.IndexByte(rest, '/') >= 0 {
		return rest, query, hasQuery, "", ""
	}
	return "", "", false, "", dropCredentials(rest)
}

// isScheme holds s to RFC 3986, section 3.1.
func isScheme(s string) bool {
	if s == "" || classes[s[0]]&isLetter == 0 {
		return false
	}
	for i := 1; i < len(s); i++ {
		if classes[s[i]]&isAlnum == 0 && s[i] != '+' && s[i] != '-' && s[i] != '.' {
			return false
		}
	}
	return true
}

func foldScheme(s string) string {
	switch {
	case strings.EqualFold(s, "http"):
		return "http"
	case strings.EqualFold(s, "https"):
		return "https"
	}
	return s
}

func dropCredentials(authority string) string {
	return authority[strings.LastIndexByte(authority, '@')+1:]
}
