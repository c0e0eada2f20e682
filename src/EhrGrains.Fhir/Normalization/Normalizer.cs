using System.Buffers;
using System.Text.Json;
using EhrGrains.Contracts.Tenants;
using EhrGrains.Fhir.Vendors;

namespace EhrGrains.Fhir.Normalization;

/// <summary>Whose data is normalized, and by which rules.</summary>
/// <param name="Tenant">The tenant; every resource is tagged with it.</param>
/// <param name="EhrBase">The EHR's FHIR base: absolute references under it become relative.</param>
/// <param name="Profile">The vendor's data rules.</param>
/// <param name="Zone">The hospital's zone: times without an offset mean it.</param>
public sealed record NormalizationScope(TenantId Tenant, Uri EhrBase, VendorProfile Profile, TimeZoneInfo Zone);

/// <summary>
/// Rewrites a tenant's FHIR R4 JSON in one pass over its bytes: what no rule touches is copied as it is, digit by digit.
/// Immutable and thread-safe; make one per tenant connection and keep it.
/// </summary>
public sealed class Normalizer
{
    /// <summary>Deepest nesting accepted, in JSON levels counted from the outermost object.</summary>
    public const int DepthMax = 64;

    /// <summary>Most properties of one JSON object.</summary>
    public const int PropertiesMax = 256;

    /// <summary>Most entries of one page.</summary>
    public const int EntriesMax = 10_000;

    /// <summary>Most distinct patients that one page or resource may concern; all of them are audited.</summary>
    public const int PatientsMax = 10_000;

    private readonly ScopeRules rules;

    /// <summary>Prepares the rules of a scope.</summary>
    public Normalizer(NormalizationScope scope) => rules = new ScopeRules(scope);

    /// <summary>
    /// Normalizes a searchset page. Writes the entry objects separated by commas; nothing is written when the page is refused.
    /// </summary>
    /// <exception cref="FhirFormatException">The bytes are not a searchset Bundle.</exception>
    public PageResult NormalizePage(ReadOnlySpan<byte> bundle, PageRequest request, IBufferWriter<byte> entries)
    {
        bundle = WithoutMark(bundle);
        Pass.CheckText(bundle);
        var work = Workspace.Take();
        var pass = new Pass(bundle, rules, work);
        try
        {
            var result = pass.ReadPage(request);
            pass.WriteEntries(request.GatewayBase, entries);
            return result;
        }
        catch (JsonException)
        {
            // Its message quotes the input: only the position goes on.
            throw pass.Failure();
        }
        finally
        {
            work.Return();
        }
    }

    /// <summary>Normalizes one resource, as a read gives it; nothing is written when it is refused.</summary>
    /// <exception cref="FhirFormatException">The bytes are not a resource.</exception>
    public ResourceResult NormalizeResource(ReadOnlySpan<byte> resource, IBufferWriter<byte> output)
    {
        resource = WithoutMark(resource);
        Pass.CheckText(resource);
        var work = Workspace.Take();
        var pass = new Pass(resource, rules, work);
        try
        {
            var result = pass.ReadResource();
            output.Write(work.Output.Written);
            return result;
        }
        catch (JsonException)
        {
            throw pass.Failure();
        }
        finally
        {
            work.Return();
        }
    }

    // A byte order mark may be ignored (RFC 8259 §8.1), and some servers behind .NET gateways do send one.
    private static ReadOnlySpan<byte> WithoutMark(ReadOnlySpan<byte> json) => json.StartsWith("\uFEFF"u8) ? json[3..] : json;
}
