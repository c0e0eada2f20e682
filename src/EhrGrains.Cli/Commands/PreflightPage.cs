using System.Globalization;
using System.Net;
using System.Text;
using EhrGrains.Contracts.Preflight;

namespace EhrGrains.Cli.Commands;

/// <summary>A preflight as a page for the hospital's IT: complete in itself, without scripts, fit to be printed. Everything in it is escaped.</summary>
internal static class PreflightPage
{
    private const string Style = """
        body{font:14px/1.45 system-ui,sans-serif;color:#1a1a1a;max-width:70rem;margin:2rem auto;padding:0 1rem}
        h1{font-size:1.5rem;margin:0}h2{font-size:1.1rem;margin:2rem 0 .5rem}p{margin:.3rem 0}
        table{border-collapse:collapse;width:100%}th,td{text-align:left;vertical-align:top;padding:.35rem .6rem;border-bottom:1px solid #ddd}
        tr{break-inside:avoid}code{font-family:ui-monospace,monospace;white-space:nowrap}
        .failed{color:#a40000;font-weight:600}.warning{color:#8a5a00;font-weight:600}.passed{color:#1b6e2c}.skipped{color:#666}
        @media print{body{margin:0;max-width:none}h2{break-after:avoid}}
        """;

    internal static string Write(PreflightReport report)
    {
        var page = new StringBuilder(32 * 1024);
        page.Append("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">")
            .Append("<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">")
            .Append("<meta name=\"viewport\" content=\"width=device-width\">")
            .Append(CultureInfo.InvariantCulture, $"<title>Preflight of {Safe(report.DisplayName)}</title><style>{Style}</style></head><body>\n")
            .Append(CultureInfo.InvariantCulture, $"<h1>Preflight of {Safe(report.DisplayName)}</h1>\n<p>{Safe(PreflightCommand.Summary(report))}</p>\n")
            .Append(CultureInfo.InvariantCulture, $"<p>{Safe(report.BaseUrl)} ({Safe(report.Vendor)}), tried on {report.StartedAt.UtcDateTime:yyyy-MM-dd HH:mm} UTC with {report.Requests} requests. Holds no patient data.</p>\n");
        Changes(page, report, PreflightOwner.Hospital, "What the hospital should change");
        Changes(page, report, PreflightOwner.Operator, "What we change");
        page.Append("<h2>All checks</h2>\n<table><thead><tr><th>Code</th><th>Check</th><th>Result</th><th>Seen</th></tr></thead><tbody>\n");
        foreach (var check in report.Checks)
        {
            page.Append(CultureInfo.InvariantCulture, $"<tr><td><code>{Safe(check.Code)}</code></td><td>{NameOf(check)}</td>{State(check)}<td>{Safe(check.Seen)}</td></tr>\n");
        }

        return page.Append("</tbody></table>\n</body></html>\n").ToString();
    }

    private static void Changes(StringBuilder page, PreflightReport report, PreflightOwner owner, string title)
    {
        PreflightCheck[] open = [.. report.Checks.Where(check => check.Change is not null && check.Owner == owner).OrderByDescending(check => check.State)];
        if (open.Length == 0)
        {
            return;
        }

        page.Append(CultureInfo.InvariantCulture, $"<h2>{title}</h2>\n<table><thead><tr><th>Check</th><th>Result</th><th>Seen</th><th>Change</th></tr></thead><tbody>\n");
        foreach (var check in open)
        {
            page.Append(CultureInfo.InvariantCulture, $"<tr><td>{NameOf(check)}</td>{State(check)}<td>{Safe(check.Seen)}</td><td>{Safe(check.Change!)}</td></tr>\n");
        }

        page.Append("</tbody></table>\n");
    }

    private static string State(PreflightCheck check) => $"<td class=\"{Words.Of(check.State)}\">{Words.Of(check.State)}</td>";

    private static string NameOf(PreflightCheck check) => Safe(check.Target is null ? check.Name : $"{check.Name} ({check.Target})");

    private static string Safe(string text) => WebUtility.HtmlEncode(text);
}
