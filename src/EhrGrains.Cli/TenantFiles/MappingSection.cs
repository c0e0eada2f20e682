using EhrGrains.Contracts.Tenants;

namespace EhrGrains.Cli.TenantFiles;

/// <summary>Reads the section <c>mapping</c> of a tenant file.</summary>
internal static class MappingSection
{
    internal static MappingSpec Read(YamlSection section)
    {
        var mapping = new MappingSpec
        {
            Authorities = section.Pairs("authorities"),
            Codes = [.. section.Sections("codes").Select(ReadCode)],
            Rules = section.Text("rules") ?? "",
        };
        section.RefuseUnknown();
        return mapping;
    }

    private static CodeMapping ReadCode(YamlSection section)
    {
        var code = new CodeMapping
        {
            Field = section.RequiredText("field"),
            From = section.RequiredText("from"),
            System = section.RequiredText("system"),
            Code = section.RequiredText("code"),
            Display = section.Text("display"),
        };
        section.RefuseUnknown();
        return code;
    }
}
