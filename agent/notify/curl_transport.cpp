#include "agent/notify/curl_transport.h"

#include <curl/curl.h>

#include <algorithm>
#include <array>
#include <map>

namespace plimsoll::notify {

struct FreeList {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
struct FreeEasy {
  void operator()(CURL* easy) const { curl_easy_cleanup(easy); }
};

// One request on its way. libcurl keeps pointers into it.
struct CurlRequest {
  std::uint64_t id = 0;
  std::string body, answer;
  std::array<char, CURL_ERROR_SIZE> problem{};
  std::unique_ptr<curl_slist, FreeList> headers;
  std::unique_ptr<CURL, FreeEasy> easy;

  void add_header(const std::string& line) {
    headers.reset(curl_slist_append(headers.release(), line.c_str()));
  }
};

namespace {

constexpr std::size_t kMostOfAnswer = 200;

// The first line of an answer says enough; all of it is read, so that the connection can be used again.
std::size_t take_answer(char* data, std::size_t, std::size_t size, void* running) {
  std::string& answer = static_cast<CurlRequest*>(running)->answer;
  answer.append(data, std::min(size, kMostOfAnswer - answer.size()));
  return size;
}

// What somebody else wrote, fit for one line of a log.
std::string one_line(std::string text) {
  text = text.substr(0, text.find_first_of("\r\n"));
  std::erase_if(text, [](char c) { return static_cast<unsigned char>(c) < 32 || c == 127; });
  return text;
}

bool hopeless(CURLcode code) {
  return code == CURLE_URL_MALFORMAT || code == CURLE_UNSUPPORTED_PROTOCOL || code == CURLE_OUT_OF_MEMORY;
}

Reply reply_of(const CurlRequest& running, CURLcode code) {
  long status = 0;
  curl_off_t retry_after = 0;
  curl_easy_getinfo(running.easy.get(), CURLINFO_RESPONSE_CODE, &status);
  if (code != CURLE_OK) {
    const std::string problem = running.problem.data();
    return {.text = one_line(problem.empty() ? curl_easy_strerror(code) : problem),
            .hopeless = hopeless(code)};
  }
  curl_easy_getinfo(running.easy.get(), CURLINFO_RETRY_AFTER, &retry_after);
  constexpr curl_off_t kDay = 86'400;
  return {.status = static_cast<int>(status),
          .text = one_line(running.answer),
          .retry_after = std::chrono::seconds(std::clamp<curl_off_t>(retry_after, 0, kDay))};
}

void prepare(CurlRequest& running, const Request& request) {
  CURL* const easy = running.easy.get();
  running.body = request.body;
  // "Name;" is libcurl's way to send an empty one. It waits for no "100 Continue".
  for (const auto& [name, value] : request.headers)
    running.add_header(name + (value.empty() ? ";" : ": " + value));
  running.add_header("Expect:");
  const auto milliseconds =
      static_cast<long>(std::chrono::duration_cast<std::chrono::milliseconds>(request.timeout).count());
  curl_easy_setopt(easy, CURLOPT_URL, request.url.c_str());
  curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(easy, CURLOPT_POST, 1L);
  curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(running.body.size()));
  curl_easy_setopt(easy, CURLOPT_POSTFIELDS, running.body.c_str());
  curl_easy_setopt(easy, CURLOPT_HTTPHEADER, running.headers.get());
  curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, std::max(milliseconds, 1L));
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, running.problem.data());
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_answer);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, &running);
  curl_easy_setopt(easy, CURLOPT_PRIVATE, &running);
}

}  // namespace

struct CurlTransport::Parts {
  CURLM* multi = nullptr;
  std::map<std::uint64_t, std::unique_ptr<CurlRequest>> running;
  std::vector<Ended> unstarted;

  // Moves all of them on, and takes those that have ended.
  void perform(std::vector<Ended>& ended) {
    int busy = 0, left = 0;
    curl_multi_perform(multi, &busy);
    while (const CURLMsg* message = curl_multi_info_read(multi, &left)) {
      if (message->msg != CURLMSG_DONE) continue;
      CurlRequest* one = nullptr;
      curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &one);
      ended.push_back({one->id, reply_of(*one, message->data.result)});
      curl_multi_remove_handle(multi, one->easy.get());
      running.erase(one->id);
    }
  }
  ~Parts() {
    for (auto& [id, one] : running) curl_multi_remove_handle(multi, one->easy.get());
    running.clear();
    curl_multi_cleanup(multi);
  }
};

CurlTransport::CurlTransport(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
CurlTransport::~CurlTransport() = default;

Result<std::unique_ptr<CurlTransport>> CurlTransport::open() {
  static const CURLcode set_up = curl_global_init(CURL_GLOBAL_DEFAULT);
  auto parts = std::make_unique<Parts>();
  if (set_up == CURLE_OK) parts->multi = curl_multi_init();
  if (parts->multi == nullptr) return fail("set up libcurl: " + std::string(curl_easy_strerror(set_up)));
  return std::unique_ptr<CurlTransport>(new CurlTransport(std::move(parts)));
}

void CurlTransport::start(std::uint64_t id, const Request& request) {
  auto running = std::make_unique<CurlRequest>();
  running->id = id;
  running->easy.reset(curl_easy_init());
  if (!running->easy) return parts_->unstarted.push_back({id, {.text = "out of memory"}});
  prepare(*running, request);
  const CURLMcode code = curl_multi_add_handle(parts_->multi, running->easy.get());
  if (code != CURLM_OK) return parts_->unstarted.push_back({id, {.text = curl_multi_strerror(code)}});
  parts_->running[id] = std::move(running);
}

std::vector<Ended> CurlTransport::wait(Nanoseconds most) {
  std::vector<Ended> ended = std::exchange(parts_->unstarted, {});
  parts_->perform(ended);
  // What has ended by now makes no descriptor ready any more.
  if (!ended.empty()) return ended;
  const auto milliseconds = std::chrono::ceil<std::chrono::milliseconds>(most).count();
  const auto bounded = static_cast<int>(std::clamp<std::int64_t>(milliseconds, 0, 60'000));
  curl_multi_poll(parts_->multi, nullptr, 0, bounded, nullptr);
  parts_->perform(ended);
  return ended;
}

void CurlTransport::wake() { curl_multi_wakeup(parts_->multi); }

}  // namespace plimsoll::notify
