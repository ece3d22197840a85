// Internal to the server: Beast's HTTP/1.1 parser, writing straight into a Request.
#pragma once

#include <boost/beast/http/basic_parser.hpp>

#include "platform/http/message.h"
#include "platform/http/utf8.h"

namespace boxoffice::http {

inline constexpr size_t kMaxHeaders = 100;

class RequestParser final : public boost::beast::http::basic_parser<true> {
 public:
  // Fills `request`, which must outlive this. Stops after the head, until eager(true).
  RequestParser(Request& request, uint32_t max_header) : request_(&request) {
    header_limit(max_header);
    body_limit(boost::none);
    eager(false);
  }
  // Not empty: the target's query can't be used.
  [[nodiscard]] const Error& query_error() const { return query_error_; }
  [[nodiscard]] bool expects_continue() const { return expects_continue_; }
  [[nodiscard]] int version() const { return version_; }  // 10 or 11
  [[nodiscard]] bool has_host() const { return has_host_; }

 private:
  using error_code = boost::beast::error_code;
  using string_view = boost::beast::string_view;
  using field = boost::beast::http::field;

  void on_request_impl(boost::beast::http::verb, string_view method, string_view target, int version,
                       error_code& error) override {
    version_ = version;
    if (!IsUtf8({target.data(), target.size()})) {  // nor does it come into the log then
      error = boost::beast::http::error::bad_target;
      return;
    }
    request_->SetMethod(ParseMethod({method.data(), method.size()}));
    request_->SetTarget({target.data(), target.size()}, &query_error_);
  }
  void on_response_impl(int, string_view, int, error_code&) override {}
  void on_field_impl(field name, string_view text, string_view value, error_code& error) override {
    if (head_done_) return;  // trailers of a chunked body are ignored, as RFC 9110, section 6.5.1 allows
    if (++headers_ > kMaxHeaders) error = boost::beast::http::error::header_limit;
    if (name == field::host) {
      if (has_host_) error = boost::beast::http::error::bad_field;  // RFC 9112, section 3.2
      has_host_ = true;
    }
    // Beast takes a coding that it does not know for no body at all, and would read the body as the next
    // request, which a proxy in front takes for a part of this one (RFC 9112, section 6.1).
    // So might a proxy that knows no codings in HTTP/1.0, which has none.
    if (name == field::transfer_encoding && (version_ < 11 || !boost::beast::iequals(value, "chunked"))) {
      error = boost::beast::http::error::bad_transfer_encoding;
    }
    if (!IsUtf8({value.data(), value.size()})) error = boost::beast::http::error::bad_value;
    if (name == field::expect) expects_continue_ = boost::beast::iequals(value, "100-continue");
    request_->AddHeader({text.data(), text.size()}, {value.data(), value.size()});
  }
  void on_header_impl(error_code&) override { head_done_ = true; }
  void on_body_init_impl(const boost::optional<uint64_t>& length, error_code&) override {
    // Memory grows with what arrives, not with what is announced.
    constexpr uint64_t kTrusted = 64 * 1024;
    if (length) request_->mutable_body().reserve(static_cast<size_t>(std::min(*length, kTrusted)));
  }
  size_t on_body_impl(string_view body, error_code&) override {
    request_->mutable_body().append(body.data(), body.size());
    return body.size();
  }
  void on_chunk_header_impl(uint64_t, string_view, error_code&) override {}
  size_t on_chunk_body_impl(uint64_t, string_view body, error_code& error) override {
    return on_body_impl(body, error);
  }
  void on_finish_impl(error_code&) override {}

  Request* request_;
  Error query_error_;
  size_t headers_ = 0;
  int version_ = 11;
  bool head_done_ = false;
  bool has_host_ = false;
  bool expects_continue_ = false;
};

}  // namespace boxoffice::http
