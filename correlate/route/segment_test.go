package route

import "testing"

func TestPlaceholder(t *testing.T) {
	tests := map[string][]string{
		"": {
			"users", "Users", "getUserAccountDetails", "create_payment_intent", "notification-preferences",
			"v1", "v2", "V3", "v1.1", "v1beta1", "v2alpha1", "oauth2", "oauth2AuthorizationServer", "k8s", "i18n", "a11y",
			"s3", "x86_64", "amd64", "sha256", "base64", "h264", "log4j2", "utf8mb4", "utf-8", "2fa", "mp3", "covid-19",
			"me", "-", ".well-known", "favicon.ico", "robots.txt", "logo.png", "index.html", "app.min.js",
			"jquery-3.6.0.min.js", "font.woff2", "grpc.health.v1.Health", "internationalization",
			"opentelemetry.proto.collector.trace.v1.TraceService", "@angular", "@alice", "~root", "users;jsessionid=4711A",
			"wp-login.php", "Main_Page", "a", "facade", "decade", "..", "products:search", "x7k2p",
		},
		placeID: {
			"1", "42", "0", "12345678901234567890", "-12", "3.14", "48.85,2.35", "2024-05-01", "2024-05", "12:30:59",
			"20240501T123059Z", "2024-05-01T12:30:59.000Z",
			"6ba7b810-9dad-11d1-80b4-00c04fd430c8", "6BA7B810-9DAD-11D1-80B4-00C04FD430C8",
			"abcdefab-cdef-abcd-efab-cdefabcdefab", "{6ba7b810-9dad-11d1-80b4-00c04fd430c8}",
			"deadbeef", "0a1b2c3d", "507f1f77bcf86cd799439011", "0x52908400098527886E0F7030069857D2E4169EE7",
			"t-1234", "order_99812", "tt0111161", "SKU-8842-A", "abc123def456", "a1b2c3", "user-123",
			"web-5d4f8c7b9d-x7k2p", "01ARZ3NDEKTSV4RRFFQ69G5FAV", "cus_NffrFeUfNV2Hib", "dGhpc0lzQVRlc3RPZkl0",
			"V1StGXR8_Z5jdHi6B-myT", "c2VjcmV0IQ==", "alice@example.com", "alice%40example.com", "hello%20world", "%",
			"%zz%00", "caf\xc3\xa9", "a\x00b", "a b", "{id}", "{rest...}", "<script>", "a|b", "", ";a=b",
			"how-to-write-a-title-that-is-much-too-long-for-a-path-of-the-world-wide-web",
		},
		placeFile: {
			"app.3f2a1b.js", "main.abcdef12.chunk.js", "index-BfX3k9aZ.js", "style.9d8a7c6b5e4f.css.map", "4711.jpg",
			"6ba7b810-9dad-11d1-80b4-00c04fd430c8.png", "2024-01-01.log", "IMG_20240501.jpeg", "order_99812.pdf",
		},
	}
	for want, segments := range tests {
		for _, segment := range segments {
			if got := placeholder(segment); got != want {
				t.Errorf("%q: %q, want %q", segment, got, want)
			}
		}
	}
}
