using EhrGrains.Sandbox.Bulk;
using EhrGrains.Sandbox.Faults;
using EhrGrains.Sandbox.Searching;
using EhrGrains.Sandbox.Tokens;
using EhrGrains.Sandbox.Traffic;
using EhrGrains.Sandbox.Vendors;

namespace EhrGrains.Sandbox.Hospitals;

/// <summary>A hospital's FHIR server and token endpoint over HTTP.</summary>
internal sealed class FhirEndpoints(Hospital hospital)
{
    private static readonly byte[] Page = "<!DOCTYPE html><html><body><h1>Scheduled maintenance</h1></body></html>"u8.ToArray();

    private static readonly byte[] NoXml = """
        <OperationOutcome xmlns="http://hl7.org/fhir"><issue><severity value="fatal"/><code value="not-supported"/>
        <diagnostics value="The default format is XML, which this server does not write. Ask for application/fhir+json."/>
        </issue></OperationOutcome>
        """u8.ToArray();

    private readonly IVendor vendor = hospital.Vendor;

    public void Map(IEndpointRouteBuilder routes)
    {
        var fhir = vendor.Facts.FhirPath;
        routes.MapGet(fhir + "/.well-known/smart-configuration", context => DiscoverAsync(context, hospital.Discovery.SmartConfiguration));
        routes.MapGet(fhir + "/metadata", context => DiscoverAsync(context, hospital.Discovery.CapabilityStatement));
        routes.MapGet(fhir + "/{type}", SearchAsync);
        routes.MapPost(fhir + "/{type}/_search", SearchAsync);
        routes.MapGet(fhir + "/{type}/{id}", ReadAsync);
        routes.MapPost(fhir + "/{type}", CreateAsync);
        routes.MapPut(fhir + "/{type}/{id}", UpdateAsync);
        routes.MapPost(vendor.Facts.TokenPath, TokenAsync);
        new BulkEndpoints(hospital, this).Map(routes);
        if (vendor.Facts.OtherTenants is { } others)
        {
            routes.Map(others, context => ServeAsync(
                context, Operation.Read, (_, _) => new(Outcomes.Refuse(vendor, new Finding(Trouble.OtherTenant)))));
        }
    }

    private static string Value(HttpContext context, string name) => (string)context.Request.RouteValues[name]!;

    private Task DiscoverAsync(HttpContext context, Answer answer) => ServeAsync(context, Operation.Discovery, (_, _) => new(answer));

    private Task TokenAsync(HttpContext context) => ServeAsync(context, Operation.Token, async (request, faults) =>
    {
        var answer = await hospital.TokenEndpoint.AnswerAsync(request, faults, context.RequestAborted);
        if (answer.Status == StatusCodes.Status200OK)
        {
            hospital.Counters.TokenIssued();
        }

        return answer;
    });

    private Task SearchAsync(HttpContext context)
    {
        var isPage = context.Request.Query.ContainsKey(vendor.Searches.PageParameter);
        return ServeAsync(context, isPage ? Operation.Page : Operation.Search, async (request, faults) =>
        {
            var type = Value(context, "type");
            if (Admit(request, type, Rights.Search, out var grant) is { } refusal)
            {
                return refusal;
            }

            var form = request.HasFormContentType ? await request.ReadFormAsync(context.RequestAborted) : null;
            var query = SearchRequest.Read(type, request.QueryString.Value, form, vendor.Searches);
            return hospital.Searches.Search(query, $"{hospital.FhirBase}/{type}{request.QueryString.Value}", grant!, faults);
        });
    }

    private Task ReadAsync(HttpContext context) => ServeAsync(context, Operation.Read, (request, faults) =>
    {
        var type = Value(context, "type");
        return new(Admit(request, type, Rights.Read, out _) ?? Read(type, Value(context, "id"), faults));
    });

    private Task CreateAsync(HttpContext context) => WriteAsync(
        context, Operation.Create, Rights.Create, (type, request) => hospital.Writes.CreateAsync(type, request, context.RequestAborted));

    private Task UpdateAsync(HttpContext context) => WriteAsync(
        context, Operation.Update, Rights.Update, (type, request) => hospital.Writes.UpdateAsync(type, Value(context, "id"), request, context.RequestAborted));

    private Task WriteAsync(HttpContext context, Operation operation, Rights wanted, Func<string, HttpRequest, Task<Answer>> writeAsync) =>
        ServeAsync(context, operation, async (request, _) =>
        {
            var type = Value(context, "type");
            var answer = Admit(request, type, wanted, out var _) ?? await writeAsync(type, request);
            if (answer.Status is StatusCodes.Status200OK or StatusCodes.Status201Created)
            {
                hospital.Counters.ResourceWritten();
            }

            return answer;
        });

    private Answer Read(string type, string id, FaultSet faults)
    {
        if (hospital.Charts.Find(type, id) is not { } resource)
        {
            return Outcomes.Refuse(vendor, new Finding(hospital.Charts.IsDeleted(type, id) ? Trouble.Deleted : Trouble.NotFound));
        }

        if (resource.MergedInto is { } survivor && vendor.Explain(Trouble.Merged).Status == StatusCodes.Status302Found)
        {
            return Outcomes.Refuse(vendor, new Finding(Trouble.Merged)).With("Location", $"{hospital.FhirBase}/{type}/{survivor}");
        }

        if (type != "Patient" && resource.Patient is not null && hospital.Charts.IsRestricted(resource.Patient))
        {
            return Outcomes.Refuse(vendor, new Finding(Trouble.Confidential));
        }

        if (faults.Has(FaultKind.OtherPatient))
        {
            resource = Array.Find(hospital.Charts.OfType(type), other => other.Patient != resource.Patient) ?? resource;
        }

        var answer = new Answer(200, Answer.FhirJson, resource.Json);
        return resource.ETag is { } tag ? answer.With("ETag", tag) : answer;
    }

    /// <summary>The contract, the format, the token and its scopes, the type: in the order that servers check them.</summary>
    private Answer? Admit(HttpRequest request, string type, Rights wanted, out Grant? grant)
    {
        if (AdmitCaller(request, out grant) is { } refusal)
        {
            return refusal;
        }

        if (!vendor.Searches.Types.TryGetValue(type, out var rules) || (wanted == Rights.Search && !rules.Searchable))
        {
            return Outcomes.Refuse(vendor, new Finding(Trouble.TypeUnknown));
        }

        return grant!.Allows(type, wanted) ? null : Outcomes.Refuse(vendor, new Finding(Trouble.ScopeMissing));
    }

    /// <summary>What every request has to pass, whatever it is about.</summary>
    internal Answer? AdmitCaller(HttpRequest request, out Grant? grant)
    {
        grant = null;
        if (!hospital.Contract.TryAdmit(out var retryAfterSeconds))
        {
            return Outcomes.Refuse(vendor, new Finding(Trouble.TooManyRequests))
                .With("Retry-After", retryAfterSeconds.ToString(System.Globalization.CultureInfo.InvariantCulture));
        }

        switch (vendor.Negotiate(request))
        {
            case Format.Xml:
                return new Answer(406, "application/fhir+xml", NoXml);
            case Format.None:
                return new Answer(406);
        }

        if (vendor.Facts.ApiKeyHeader is { } header && request.Headers[header] != hospital.ApiKey)
        {
            return Outcomes.Refuse(vendor, new Finding(Trouble.ApiKeyMissing));
        }

        grant = hospital.Tokens.Find(request.Headers.Authorization);
        return grant is null ? Outcomes.Refuse(vendor, new Finding(Trouble.Unauthorized)) : null;
    }

    internal async Task ServeAsync(HttpContext context, Operation operation, Func<HttpRequest, FaultSet, ValueTask<Answer>> answerAsync)
    {
        // All hospitals share the routes; a request belongs to the one whose port it came in by.
        if (context.Features.Get<Hospital>() != hospital)
        {
            context.Response.StatusCode = StatusCodes.Status404NotFound;
            return;
        }

        hospital.Counters.Arrived(operation);
        var status = 0;
        try
        {
            var faults = hospital.Faults.Take(operation, PathOf(context));
            if (faults.Has(FaultKind.Hangup))
            {
                context.Abort();
                return;
            }

            if (faults.TryGet(FaultKind.Delay, out var delay))
            {
                await Task.Delay(TimeSpan.FromMilliseconds(delay.Milliseconds), hospital.Time, context.RequestAborted);
            }

            if (hospital.Time.Skew != TimeSpan.Zero)
            {
                context.Response.Headers.Date = hospital.Time.GetUtcNow().ToString("r", System.Globalization.CultureInfo.InvariantCulture);
            }

            var answer = Misbehave(context, faults) ?? await answerAsync(context.Request, faults);
            status = answer.Status;
            if (faults.TryGet(FaultKind.LateAnswer, out var late))
            {
                await Task.Delay(TimeSpan.FromMilliseconds(late.Milliseconds), hospital.Time, context.RequestAborted);
            }

            if (faults.Has(FaultKind.AnswerLost))
            {
                context.Abort();
                return;
            }

            foreach (var header in vendor.Facts.TraceHeaders)
            {
                answer.With(header, context.TraceIdentifier);
            }

            await answer.SendAsync(context, faults, hospital.Time);
        }
        catch (OperationCanceledException) when (context.RequestAborted.IsCancellationRequested)
        {
            // The client went away.
        }
        finally
        {
            hospital.Counters.Answered(operation, status);
        }
    }

    private string PathOf(HttpContext context)
    {
        var path = context.Request.Path.Value ?? "";
        return path.StartsWith(vendor.Facts.FhirPath, StringComparison.Ordinal) ? path[vendor.Facts.FhirPath.Length..] : path;
    }

    private Answer? Misbehave(HttpContext context, FaultSet faults)
    {
        if (faults.IsEmpty)
        {
            return null;
        }

        if (faults.TryGet(FaultKind.TooManyRequests, out var fault))
        {
            return Refuse(Trouble.TooManyRequests, fault);
        }

        if (faults.TryGet(FaultKind.Unavailable, out fault))
        {
            return Refuse(Trouble.Unavailable, fault);
        }

        if (faults.Has(FaultKind.Unauthorized))
        {
            return Outcomes.Refuse(vendor, new Finding(Trouble.Unauthorized));
        }

        if (faults.TryGet(FaultKind.Redirect, out fault))
        {
            return new Answer(307).With("Location", fault.Url.TrimEnd('/') + context.Request.Path + context.Request.QueryString);
        }

        if (faults.Has(FaultKind.RedirectLoop))
        {
            return new Answer(307).With("Location", hospital.Origin + context.Request.Path + context.Request.QueryString);
        }

        if (faults.TryGet(FaultKind.Status, out fault))
        {
            return fault.Status < 400 ? new Answer(fault.Status) : new Answer(fault.Status, "text/html", Page);
        }

        return faults.Has(FaultKind.Html) ? new Answer(200, "text/html", Page) : null;
    }

    private Answer Refuse(Trouble trouble, Fault fault)
    {
        var answer = Outcomes.Refuse(vendor, new Finding(trouble));
        return fault.RetryAfter is { } text ? answer.With("Retry-After", RetryAfter.Write(text, hospital.Time)) : answer;
    }
}
