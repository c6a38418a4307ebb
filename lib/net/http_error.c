/* Why libcurl gave up a transfer: see http_error.h. */
#include "net/http_error.h"

#include <openssl/x509_vfy.h>
#include <string.h>

#include "base/mem.h"
#include "format/url.h"
#include "net/http_response.h"

static bool is_transient(CURLcode code)
{
	switch (code) {
	case CURLE_COULDNT_CONNECT:
	case CURLE_PARTIAL_FILE:
	case CURLE_OPERATION_TIMEDOUT:
	case CURLE_GOT_NOTHING:
	case CURLE_SEND_ERROR:
	case CURLE_RECV_ERROR:
	case CURLE_HTTP2:
	case CURLE_HTTP2_STREAM:
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_WEIRD_SERVER_REPLY:
	case CURLE_BAD_CONTENT_ENCODING:
		return true;
	default:
		return false;
	}
}

/* True if the TLS handshake failed because the server answered in plain HTTP. */
static bool is_plain_http(const struct http_failure *failure)
{
	const char *reason = failure->reason;

	return failure->code == CURLE_SSL_CONNECT_ERROR &&
	       (strstr(reason, "wrong version number") || strstr(reason, "unknown protocol") ||
		strstr(reason, "unexpected TLS packet"));
}

/* The status with which a proxy refused to connect to the host, or 0. */
static long proxy_status(CURL *curl)
{
	long status = 0;

	curl_easy_getinfo(curl, CURLINFO_HTTP_CONNECTCODE, &status);
	return status / 100 == 2 ? 0 : status;
}

/* "Failed to connect to HOST port N after N ms: Couldn't connect to server": with the cause instead. */
static int connect_error(const struct http_failure *failure, ducc_error **err)
{
	const char *reason = failure->reason;
	const char *after = strstr(reason, " after ");
	long code = 0;

	curl_easy_getinfo(failure->curl, CURLINFO_OS_ERRNO, &code);
	if (!after || !code)
		return error_set(err, "%s", reason);
	return error_set(err, "%.*s: %s", (int)(after - reason), reason, strerror((int)code));
}

/* A certificate that OpenSSL could not verify; with advice if its authority is unknown. */
static int certificate_error(const struct http_failure *failure, const char *host, ducc_error **err)
{
	long result = X509_V_OK; /* stays so if the certificate is valid, but for another host */

	curl_easy_getinfo(failure->curl, CURLINFO_SSL_VERIFYRESULT, &result);
	switch (result) {
	case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
	case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
	case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
		break;
	default:
		return error_set(err, "%s", failure->reason);
	}
	if (failure->tls->authorities.len)
		return error_set(err, "%s: no certificate in %s/*.crt verifies it", failure->reason,
				 failure->tls->directory);
	return error_set(err,
			 "%s: if you trust its certificate authority, add the certificate as "
			 "%s%s/ca.crt",
			 failure->reason,
			 failure->tls->directory ? failure->tls->directory
						 : "/etc/containers/certs.d/",
			 failure->tls->directory ? "" : host);
}

/* The error, with advice on TLS. */
static int transfer_error(const struct http_failure *failure, ducc_error **err)
{
	AUTO_FREE char *host = url_authority(failure->url);

	if (is_plain_http(failure))
		return error_set(err,
				 "the server does not use TLS: write http://%s, or mark it as "
				 "insecure in registries.conf (%s)",
				 host ? host : "", failure->reason);
	if (failure->code == CURLE_PEER_FAILED_VERIFICATION)
		return certificate_error(failure, host ? host : "", err);
	if (failure->code == CURLE_COULDNT_CONNECT)
		return connect_error(failure, err);
	/* What libcurl also says of a header that is too long. */
	if (failure->code == CURLE_OUT_OF_MEMORY)
		return error_set(err, "out of memory, or a header of the response is too long");
	return error_set(err, "%s", failure->reason);
}

int http_error(const struct http_failure *failure, bool *transient, ducc_error **err)
{
	long refused = proxy_status(failure->curl);

	*transient = refused ? http_status_is_transient(refused)
			     : is_transient(failure->code) && !is_plain_http(failure);
	if (refused)
		error_set(err, "the proxy answered %ld%s", refused, http_status_text(refused));
	else
		transfer_error(failure, err);
	return error_kind(err, *transient                                        ? DUCC_TRANSIENT
			       : failure->code == CURLE_PEER_FAILED_VERIFICATION ? DUCC_DENIED
										 : DUCC_OTHER);
}
