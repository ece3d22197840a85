#include "gateway/web_files.h"

#include <algorithm>
#include <array>
#include <fstream>
#include <functional>
#include <iterator>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include "gateway/refusals.h"
#include "gateway/transfer.h"
#include "platform/http/gzip.h"
#include "platform/http/problem.h"

namespace boxoffice::gateway {
namespace {

namespace fs = std::filesystem;

// https://www.w3.org/TR/CSP3/. Styles that scripts set on elements are no inline styles.
constexpr std::string_view kPolicy =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

constexpr auto kTypes = std::to_array<std::pair<std::string_view, std::string_view>>({
    {".html", "text/html; charset=utf-8"},
    {".js", "text/javascript; charset=utf-8"},
    {".css", "text/css; charset=utf-8"},
    {".svg", "image/svg+xml"},
    {".png", "image/png"},
    {".woff2", "font/woff2"},
    {".json", "application/json"},
    {".txt", "text/plain; charset=utf-8"},
});

std::string_view TypeOf(std::string_view extension) {
  const auto* const found =
      std::ranges::find(kTypes, extension, &std::pair<std::string_view, std::string_view>::first);
  return found == kTypes.end() ? std::string_view("application/octet-stream") : found->second;
}

Error Wrong(const fs::path& folder, std::string_view what) {
  return {Code::kInvalidArgument, "config", fmt::format("web.root {}: {}", folder.string(), what)};
}

fs::path UsualFolder() {
  std::error_code error;
  const fs::path self = fs::read_symlink("/proc/self/exe", error);
  fs::path folder = self.parent_path().parent_path() / "share" / "boxoffice" / "web";
  return !error && fs::exists(folder / "index.html", error) ? folder : fs::path();
}

std::shared_ptr<const std::string> Read(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return nullptr;
  return std::make_shared<const std::string>(std::istreambuf_iterator<char>(in),
                                             std::istreambuf_iterator<char>());
}

}  // namespace

Result<WebFiles> WebFiles::Load(fs::path folder) {
  WebFiles web;
  if (folder.empty()) folder = UsualFolder();
  if (folder.empty()) return web;
  std::error_code error;
  if (!fs::exists(folder / "index.html", error))
    return std::unexpected(Wrong(folder, "there is no index.html: ./dev build makes it"));
  size_t bytes = 0;
  auto entry = fs::recursive_directory_iterator(folder, error);
  for (; !error && entry != fs::recursive_directory_iterator(); entry.increment(error)) {
    const fs::path& path = entry->path();
    const std::string extension = path.extension().string();
    if (!entry->is_regular_file() || extension == ".gz" || extension == ".br") continue;
    File file;
    file.content_type = TypeOf(extension);
    file.plain = Read(path);
    if (file.plain == nullptr) return std::unexpected(Wrong(path, "can't be read"));
    file.gzip = Read(path.string() + ".gz");
    file.brotli = Read(path.string() + ".br");
    file.etag = fmt::format("{:016x}", std::hash<std::string>()(*file.plain));
    for (const auto& form : {file.plain, file.gzip, file.brotli}) bytes += form ? form->size() : 0;
    if (bytes > kMaxBytes) return std::unexpected(Wrong(folder, "has more than 64 MiB"));
    web.files_.emplace(path.lexically_relative(folder).generic_string(), std::move(file));
  }
  if (error) return std::unexpected(Wrong(folder, error.message()));
  return web;
}

http::Response WebFiles::Answer(const http::Request& request, std::string_view name) const {
  if (files_.empty()) {
    return RefusalResponse("web_not_built",
                           "./dev build makes it, and web.root names its folder; the interface is at /docs");
  }
  const auto found = files_.find(name);
  if (found == files_.end())
    return http::ProblemResponse(Error{Code::kNotFound, "route_not_found", "there is no such file"});
  const File& file = found->second;
  const std::string_view accepted = request.header("Accept-Encoding").value_or("");
  http::Response response;
  response.content_type = file.content_type;
  response.shared_body = file.plain;
  std::string_view coding;
  if (file.brotli != nullptr && http::AcceptsCoding(accepted, "br")) {
    coding = "br";
    response.shared_body = file.brotli;
  } else if (file.gzip != nullptr && http::AcceptsCoding(accepted, "gzip")) {
    coding = "gzip";
    response.shared_body = file.gzip;
  }
  const std::string etag = fmt::format("\"{}{}{}\"", file.etag, coding.empty() ? "" : "-", coding);
  response.headers.Add("ETag", etag);
  response.headers.Add("Vary", "Accept-Encoding");
  response.headers.Add("Cache-Control",
                       name.starts_with("assets/") ? "public, max-age=31536000, immutable" : "no-cache");
  const std::optional<std::string_view> known = request.header("If-None-Match");
  if (known && MatchesTag(*known, etag)) {
    response.status = 304;
    response.content_type = {};
    response.shared_body.reset();
    return response;
  }
  if (!coding.empty()) response.headers.Add("Content-Encoding", coding);
  if (file.content_type.starts_with("text/html")) {
    response.headers.Add("Content-Security-Policy", kPolicy);
    response.headers.Add("Referrer-Policy", "same-origin");
    response.headers.Add("Cross-Origin-Opener-Policy", "same-origin");
  }
  return response;
}

}  // namespace boxoffice::gateway
