// Internal to the server: Beast's HTTP/1.1 parser, writing straight into a Request.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include <boost/beast/http/basic_parser.hpp>

#include "platform/http/message.h"
#include "platform/http/utf8.h"

namespace boxoffice::http {

inline constexpr size_t kMaxHeaders = 100;

class RequestParser final : public boost::beast::http::basic_parser<true> {
 public:
  // Fills `request`, which must outlive this, as must the names in `given_once`: of headers that are refused
  // when they come twice. Stops after the head, until eager(true).
  RequestParser(Request& request, uint32_t max_header, std::span<const std::string> given_once)
      : request_(&request), given_once_(given_once) {
    header_limit(max_header);
    body_limit(boost::none);
    eager(false);
  }
  // Not empty: the target's query can't be used.
  [[nodiscard]] const Error& query_error() const { return query_error_; }
  [[nodiscard]] bool expects_continue() const { return expects_continue_; }
  [[nodiscard]] int version() const { return version_; }  // 10 or 11
  [[nodiscard]] bool has_host() const { return has_host_; }
  // The header that made it bad_field as it came again; else empty.
  [[nodiscard]] std::string_view repeated() const { return repeated_; }
  // Whether a body, if there is one, is compressed or the like (RFC 9110, section 8.4).
  [[nodiscard]] bool is_encoded() const { return is_encoded_; }

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
    const std::string_view form{target.data(), target.size()};
    if (form.starts_with('/')) {
      request_->SetTarget(form, &query_error_);
    } else {
      SetOtherForm(form, error);
    }
  }
  // RFC 9112, section 3.2.2: what is written as to a proxy, "http://host/path", every server has to
  // understand; its host counts then, and not the header's.
  void SetOtherForm(std::string_view target, error_code& error) {
    size_t scheme = 0;
    for (const std::string_view one : {"http://", "https://"}) {
      if (boost::beast::iequals(target.substr(0, one.size()), one)) scheme = one.size();
    }
    if (scheme == 0) {  // "*", or nonsense: no route has it
      request_->SetTarget(target, &query_error_);
      return;
    }
    target.remove_prefix(scheme);
    const std::string_view authority = target.substr(0, target.find_first_of("/?#"));
    if (authority.empty() || authority.contains('@')) {
      error = boost::beast::http::error::bad_target;
      return;
    }
    has_authority_ = true;
    request_->AddHeader("Host", authority);
    target.remove_prefix(authority.size());
    if (target.starts_with('/')) {
      request_->SetTarget(target, &query_error_);
    } else {
      request_->SetTarget("/" + std::string(target), &query_error_);
    }
  }
  // Of two that differ which one counts must not be a guess.
  void NoteOnce(string_view text, error_code& error) {
    for (const std::string& name : given_once_) {
      if (!boost::beast::iequals(text, name) || !request_->header(name)) continue;
      repeated_ = name;
      error = boost::beast::http::error::bad_field;
    }
  }
  void on_response_impl(int, string_view, int, error_code&) override {}
  void on_field_impl(field name, string_view text, string_view value, error_code& error) override {
    if (head_done_) return;  // trailers of a chunked body are ignored, as RFC 9110, section 6.5.1 allows
    if (++headers_ > kMaxHeaders) error = boost::beast::http::error::header_limit;
    if (name == field::host) {
      if (has_host_) {  // RFC 9112, section 3.2
        repeated_ = "Host";
        error = boost::beast::http::error::bad_field;
      }
      has_host_ = true;
    } else {
      NoteOnce(text, error);
    }
    // Beast takes a coding that it does not know for no body at all, and would read the body as the next
    // request, which a proxy in front takes for a part of this one (RFC 9112, section 6.1).
    // So might a proxy that knows no codings in HTTP/1.0, which has none.
    if (name == field::transfer_encoding && (version_ < 11 || !boost::beast::iequals(value, "chunked"))) {
      error = boost::beast::http::error::bad_transfer_encoding;
    }
    if (!IsUtf8({value.data(), value.size()})) error = boost::beast::http::error::bad_value;
    if (name == field::expect) expects_continue_ = boost::beast::iequals(value, "100-continue");
    if (name == field::content_encoding && !boost::beast::iequals(value, "identity")) is_encoded_ = true;
    if (name == field::host && has_authority_) return;
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
  const std::span<const std::string> given_once_;
  std::string_view repeated_;
  Error query_error_;
  size_t headers_ = 0;
  int version_ = 11;
  bool head_done_ = false;
  bool has_host_ = false;
  bool has_authority_ = false;  // in the target
  bool is_encoded_ = false;
  bool expects_continue_ = false;
};

}  // namespace boxoffice::http
