#include "policies/target_parser.h"

#include <strings.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "agent/base/json_text.h"
#include "agent/base/template_text.h"
#include "policies/map_reader.h"
#include "policies/notify_template.h"
#include "policies/spelling.h"

namespace plimsoll::policies {
namespace {

using Kind = YamlNode::Kind;
using Texts = std::map<std::string, std::string>;

constexpr Nanoseconds kLongestTimeout = std::chrono::minutes(5);
constexpr std::string_view kLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
constexpr std::string_view kDigits = "0123456789";

bool only(std::string_view text, std::string_view more) {
  return std::ranges::all_of(text, [&](char c) {
    return kLetters.find(c) != std::string_view::npos || kDigits.find(c) != std::string_view::npos ||
           more.find(c) != std::string_view::npos;
  });
}

// Not in a URL of an error: what comes behind the host may be a secret, and errors are logged.
std::optional<std::string> parse_url(const YamlNode& node, const std::string& what,
                                     const ParseContext& context) {
  constexpr const char* kExpected = ", expected a URL such as https://alerts.example.com/hook";
  if (node.kind != Kind::kScalar) {
    context.out.error(node.place, what + ": got " + std::string(kind_name(node.kind)) + kExpected);
    return std::nullopt;
  }
  const std::string problem = model::problem_of_url(node.text);
  if (problem.empty()) return node.text;
  const std::string origin = model::origin_of(node.text);
  const std::string begin = node.text.substr(0, node.text.find('/'));
  context.out.error(node.place, what + ": " + policies::quoted(origin.empty() ? begin : origin) + ": " +
                                    problem + kExpected);
  return std::nullopt;
}

// Any key to a text. `problem_of` says what is wrong with one of them.
template <typename Problem>
Texts parse_texts(const YamlNode& node, const std::string& what, const ParseContext& context,
                  Problem problem_of) {
  Texts texts;
  if (node.kind != Kind::kMap) {
    context.out.error(node.place,
                      what + ": expected a map of key: text, got " + std::string(kind_name(node.kind)));
    return texts;
  }
  for (std::size_t i = 0; i < node.keys.size(); ++i) {
    const YamlNode& value = node.items[i];
    const std::string& key = node.keys[i].text;
    if (value.kind != Kind::kScalar) {
      context.out.error(value.place,
                        what + "." + key + ": expected a text, got " + std::string(kind_name(value.kind)));
    } else if (const std::string problem = problem_of(key, value.text); !problem.empty()) {
      context.out.error(node.keys[i].place, what + ": " + policies::quoted(key) + " " + problem);
    } else {
      texts[key] = value.text;
    }
  }
  return texts;
}

// RFC 9110, 5.1 and 5.5: a name is a token, and a value has no control characters.
std::string problem_of_header(const std::string& key, const std::string& value) {
  if (key.empty() || !only(key, "!#$%&'*+-.^_`|~")) return "is no name of a header";
  for (const char* own : {"content-length", "transfer-encoding"}) {
    if (::strcasecmp(key.c_str(), own) == 0) return "is set by Plimsoll";
  }
  const auto control = [](char c) { return static_cast<unsigned char>(c) < 32 || c == 127; };
  return std::ranges::any_of(value, control) ? "has a control character in its value" : "";
}

// Alertmanager takes names of labels only, for annotations as well.
std::string problem_of_annotation(const std::string& key, const std::string&) {
  const bool good = !key.empty() && only(key, "_") && kDigits.find(key.front()) == std::string_view::npos;
  return good ? "" : "is no name, expected letters, digits and '_', no digit in front";
}

std::string problem_of_label(const std::string& key, const std::string& value) {
  if (std::ranges::find(model::kAlertLabels, key) != model::kAlertLabels.end())
    return "is set by Plimsoll, expected another label";
  return problem_of_annotation(key, value);
}

// Filled in with something, a body that calls itself JSON must be JSON.
void check_body(const YamlNode& node, const model::Webhook& webhook, const ParseContext& context) {
  for (const TemplateVariable& one : variables_of(webhook.body)) {
    const Place place = place_in_scalar(context.source, node, one.at);
    if (!one.closed)
      return context.out.error(place, "webhook.body: '{{' is never closed, expected '}}' behind it");
    if (std::ranges::find(model::kBodyVariables, one.name) == model::kBodyVariables.end()) {
      return context.out.error(place, "webhook.body: " + policies::quoted("{{" + one.name + "}}") +
                                          " is no variable" + did_you_mean(one.name, model::kBodyVariables) +
                                          ", expected " + one_of(model::kBodyVariables));
    }
  }
  // Only a number may stand outside a string; a name that somebody chose must not.
  const std::string filled = fill_template(
      webhook.body, [](const std::string& name) { return std::string(name == "decision" ? "1" : "x"); });
  if (model::sends_json(webhook) && !nlohmann::json::accept(filled)) {
    context.out.error(node.place,
                      "webhook.body: not JSON once it is filled in, expected such as "
                      "'{\"text\": \"{{text}}\"}', or another Content-Type in headers");
  }
}

// What both ways of sending have.
void parse_common(MapReader& reader, const ParseContext& context, model::NotifyTarget& target) {
  const std::string& what = reader.what();
  if (const YamlNode* token = reader.find("bearer_token_file")) {
    target.bearer_token_file = token->text;
    if (token->kind != Kind::kScalar || !token->text.starts_with('/'))
      context.out.error(token->place, what + ".bearer_token_file: expected an absolute path");
  }
  if (const YamlNode* timeout = reader.find("timeout")) {
    const auto time = parse_positive_duration(*timeout, what + ".timeout", context);
    if (time && *time > kLongestTimeout)
      context.out.error(timeout->place,
                        what + ".timeout: expected at most 5m, got " + policies::quoted(timeout->text));
    target.timeout = time.value_or(target.timeout);
  }
}

void parse_webhook(const YamlNode& node, const ParseContext& context, model::NotifyTarget& target) {
  MapReader reader(node, "spec.webhook", context.out, MapId::kWebhook);
  model::Webhook webhook;
  if (const YamlNode* url = reader.require("url"))
    webhook.url = parse_url(*url, "spec.webhook.url", context).value_or("");
  const YamlNode* headers = reader.find("headers");
  if (headers != nullptr)
    webhook.headers = parse_texts(*headers, "spec.webhook.headers", context, problem_of_header);
  if (const YamlNode* body = reader.find("body")) {
    webhook.body = reader.text("body");
    if (body->kind == Kind::kScalar && body->text.empty())
      context.out.error(body->place, "spec.webhook.body: expected a text");
    if (!webhook.body.empty()) check_body(*body, webhook, context);
  }
  parse_common(reader, context, target);
  const auto authorizes = [](const auto& one) {
    return ::strcasecmp(one.first.c_str(), "authorization") == 0;
  };
  if (!target.bearer_token_file.empty() && std::ranges::any_of(webhook.headers, authorizes))
    context.out.error(headers->place, "spec.webhook: has both bearer_token_file and a header Authorization");
  reader.finish();
  target.to = std::move(webhook);
}

void parse_alertmanager(const YamlNode& node, const ParseContext& context, model::NotifyTarget& target) {
  const std::string what = "spec.alertmanager";
  MapReader reader(node, what, context.out, MapId::kAlertmanager);
  model::Alertmanager to;
  const auto add = [&](const YamlNode& one, const std::string& key) {
    auto url = parse_url(one, what + "." + key, context);
    if (!url) return;
    if (url->find_first_of("?#") != std::string::npos)
      return context.out.error(one.place,
                               what + "." + key + ": has a query, expected the Alertmanager's base");
    if (std::ranges::find(to.urls, *url) != to.urls.end())
      return context.out.error(one.place, what + "." + key + ": the same URL stands there twice");
    to.urls.push_back(std::move(*url));
  };
  const YamlNode* url = reader.find("url");
  const YamlNode* urls = reader.find("urls");
  if ((url == nullptr) == (urls == nullptr) && node.kind == Kind::kMap)
    context.out.error(node.place, what + ": expected exactly one of url and urls");
  if (url != nullptr) add(*url, "url");
  if (urls != nullptr && urls->kind == Kind::kList) {
    for (const YamlNode& one : urls->items) add(one, "urls");
    if (urls->items.empty()) context.out.error(urls->place, what + ".urls: an empty list is nowhere");
  } else if (urls != nullptr) {
    add(*urls, "urls");
  }
  if (const YamlNode* labels = reader.find("labels"))
    to.labels = parse_texts(*labels, what + ".labels", context, problem_of_label);
  if (const YamlNode* annotations = reader.find("annotations"))
    to.annotations = parse_texts(*annotations, what + ".annotations", context, problem_of_annotation);
  parse_common(reader, context, target);
  reader.finish();
  target.to = std::move(to);
}

void add_name(const YamlNode& node, const ParseContext& context, std::vector<TargetName>& names) {
  if (node.kind != Kind::kScalar || node.text.empty())
    return context.out.error(node.place, "notify.to: expected the name of a NotifyTarget");
  if (std::ranges::find(names, node.text, &TargetName::name) != names.end())
    return context.out.error(node.place, "notify.to: " + policies::quoted(node.text) + " stands there twice");
  names.push_back({node.text, node.place});
}

}  // namespace

void parse_target_spec(const YamlNode& node, const ParseContext& context, Target& target) {
  MapReader reader(node, "spec", context.out, MapId::kTargetSpec);
  const YamlNode* webhook = reader.find("webhook");
  const YamlNode* alertmanager = reader.find("alertmanager");
  if ((webhook == nullptr) == (alertmanager == nullptr) && node.kind != Kind::kScalar)
    context.out.error(node.place, "spec: expected exactly one of webhook and alertmanager");
  if (webhook != nullptr) parse_webhook(*webhook, context, target.sends);
  if (alertmanager != nullptr) parse_alertmanager(*alertmanager, context, target.sends);
  if (const YamlNode* repeat = reader.find("repeat")) {
    target.sends.repeat = parse_duration_node(*repeat, "spec.repeat", context).value_or(target.sends.repeat);
  }
  reader.finish();
}

std::optional<NotifyStep> parse_notify(const YamlNode& node, const ParseContext& context) {
  MapReader reader(node, "notify", context.out, MapId::kNotify);
  NotifyStep step;
  if (const YamlNode* text = reader.require("text")) {
    step.text = text->text;
    if (text->kind != Kind::kScalar || text->text.empty()) {
      context.out.error(text->place, "notify.text: expected a text");
    } else {
      check_template(*text, context);
    }
  }
  if (const YamlNode* to = reader.find("to"); to != nullptr && to->kind == Kind::kList) {
    for (const YamlNode& one : to->items) add_name(one, context, step.to);
    if (to->items.empty()) context.out.error(to->place, "notify.to: an empty list is nobody");
  } else if (to != nullptr) {
    add_name(*to, context, step.to);
  }
  if (const YamlNode* severity = reader.find("severity")) {
    const auto words = severity_words();
    const auto found = std::ranges::find(words, severity->text);
    if (found == words.end()) {
      context.out.error(severity->place, "notify.severity: " + policies::quoted(severity->text) +
                                             did_you_mean(severity->text, words) + ", expected " +
                                             one_of(words));
    } else {
      step.severity = static_cast<model::Severity>(found - words.begin());
    }
  }
  reader.finish();
  if (step.text.empty()) return std::nullopt;
  return step;
}

void check_targets(const PolicySet& set, std::span<Diagnostics> outs) {
  std::vector<std::string_view> known;
  for (const Target& target : set.targets) known.emplace_back(target.sends.name);
  const auto check = [&](const Policy& policy, const TargetName& name) {
    if (std::ranges::find(known, name.name) != known.end()) return;
    const auto out = std::ranges::find(outs, policy.file, &Diagnostics::file);
    out->error(name.place, "notify.to: no NotifyTarget is called " + policies::quoted(name.name) +
                               did_you_mean(name.name, known) +
                               (known.empty() ? ", expected a document of that kind and name beside it"
                                              : ", expected " + one_of(known)));
  };
  for (const Policy& policy : set.policies) {
    for (const Rule& rule : policy.rules) {
      for (const Step& step : rule.then) {
        const auto* notify = std::get_if<NotifyStep>(&step);
        if (notify == nullptr) continue;
        for (const TargetName& name : notify->to) check(policy, name);
      }
    }
  }
}

std::vector<std::string> targets_of(const Rule& rule) {
  std::vector<std::string> names;
  for (const Step& step : rule.then) {
    const auto* notify = std::get_if<NotifyStep>(&step);
    if (notify == nullptr) continue;
    for (const TargetName& one : notify->to) {
      if (std::ranges::find(names, one.name) == names.end()) names.push_back(one.name);
    }
  }
  return names;
}

}  // namespace plimsoll::policies
