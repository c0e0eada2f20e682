using System.Globalization;
using EhrGrains.Sandbox.Vendors;
using Microsoft.AspNetCore.WebUtilities;

namespace EhrGrains.Sandbox.Searching;

/// <summary>One search parameter as it was sent.</summary>
internal readonly record struct Parameter(string Name, string? Modifier, string Value)
{
    /// <summary>The value without a token's system.</summary>
    public string Code => Value[(Value.LastIndexOf('|') + 1)..];
}

/// <summary>A search as it was sent, with what the hospital has to say about it so far.</summary>
internal sealed class SearchRequest
{
    /// <summary>No more parameters than this are looked at.</summary>
    public const int ParametersMax = 64;

    private SearchRequest(string type) => Type = type;

    public string Type { get; }

    /// <summary>Parameters that filter; those that steer the answer are properties.</summary>
    public List<Parameter> Parameters { get; } = [];

    /// <summary>What will be said in outcome entries.</summary>
    public List<Finding> Notes { get; } = [];

    /// <summary><c>_count</c>.</summary>
    public string? Count { get; private set; }

    /// <summary>Whether the Provenance of matches is asked for.</summary>
    public bool WithProvenance { get; private set; }

    /// <summary>The vendor's own parameter that each search needs.</summary>
    public string? Always { get; private set; }

    /// <summary>The place in a search, from a <c>next</c> link.</summary>
    public string? Page { get; private set; }

    public static SearchRequest Read(string type, string? query, IFormCollection? form, SearchRules rules)
    {
        var request = new SearchRequest(type);
        if (form is null || !rules.BodyOnlyOnPost)
        {
            foreach (var pair in new QueryStringEnumerable(query))
            {
                request.Add(pair.DecodeName().ToString(), pair.DecodeValue().ToString(), rules);
            }
        }

        foreach (var (name, values) in form ?? FormCollection.Empty)
        {
            foreach (var value in values)
            {
                request.Add(name, value ?? "", rules);
            }
        }

        return request;
    }

    /// <summary>The search that a page belongs to; what each page has to bring along comes from this request.</summary>
    public SearchRequest Continue(PagePlace place, SearchRules rules)
    {
        var search = Read(Type, "?" + place.Query, form: null, rules);
        search.Always = Always;
        search.Count = place.Count.ToString(CultureInfo.InvariantCulture);
        return search;
    }

    public bool Has(string name) => Find(name) is not null;

    public string? First(string name) => Find(name)?.Value;

    public Parameter? Find(string name)
    {
        foreach (var parameter in Parameters)
        {
            if (parameter.Name == name)
            {
                return parameter;
            }
        }

        return null;
    }

    public void Ignore(Parameter parameter)
    {
        Parameters.Remove(parameter);
        Notes.Add(new Finding(Trouble.ParameterIgnored, parameter.Name));
    }

    /// <summary>The id in a reference, however it is written.</summary>
    public static string IdOf(string reference) => reference[(reference.LastIndexOf('/') + 1)..];

    /// <summary>The filters as a query, to be kept in a <c>next</c> link.</summary>
    public string ToQuery()
    {
        var pairs = Parameters.Select(parameter => $"{Name(parameter)}={Uri.EscapeDataString(parameter.Value)}");
        var steering = WithProvenance ? ["_revinclude=Provenance:target"] : Array.Empty<string>();
        return string.Join('&', pairs.Concat(steering));

        static string Name(Parameter parameter) =>
            Uri.EscapeDataString(parameter.Modifier is null ? parameter.Name : $"{parameter.Name}:{parameter.Modifier}");
    }

    private void Add(string name, string value, SearchRules rules)
    {
        if (name == rules.PageParameter)
        {
            Page = value;
        }
        else if (name == rules.Always)
        {
            Always = value;
        }
        else if (name == "_revinclude" && value == "Provenance:target")
        {
            WithProvenance = true;
        }
        else if (name == "_count")
        {
            Count = value;
        }
        else if (name is not ("_format" or "_pretty" or "_include") && Parameters.Count < ParametersMax)
        {
            var colon = name.IndexOf(':', StringComparison.Ordinal);
            Parameters.Add(colon < 0 ? new Parameter(name, null, value) : new Parameter(name[..colon], name[(colon + 1)..], value));
        }
    }
}
